"""The table of states is whole: what it allows, what its groups hold, and that the choices and statements follow it."""

from pathlib import Path

import pytest

from dispatch import migrations
from dispatch.models import BROADCAST_STATES, DELIVERY_STATES
from dispatch.outbox.indexes import listed
from dispatch.rules import states
from dispatch.rules.states import BroadcastChange, BroadcastState, Change, DeliveryState


def test_every_state_has_its_words():
    assert [value for value, _ in DELIVERY_STATES] == list(DeliveryState)
    assert [value for value, _ in BROADCAST_STATES] == list(BroadcastState)


def test_a_state_is_open_or_final():
    assert set(states.OPEN) | set(states.FINAL) == set(DeliveryState)
    assert not set(states.OPEN) & set(states.FINAL)


@pytest.mark.parametrize("change", [change for change in Change if not change.by_a_person])
def test_what_is_final_becomes_open_by_a_person_alone(change):
    if set(change.before) & set(states.FINAL):
        assert set(change.after) <= set(states.FINAL)


@pytest.mark.parametrize("change", [change for change in BroadcastChange if not change.by_a_person])
def test_a_broadcast_that_has_ended_stays_so(change):
    assert not {BroadcastState.FINISHED, BroadcastState.CANCELLED} & set(change.before)


@pytest.mark.parametrize("change", [Change.EXPIRE, Change.CANCEL])
def test_what_is_being_sent_has_an_outcome_before_it_ends_otherwise(change):
    assert DeliveryState.CLAIMED not in change.before


def test_every_final_state_but_two_is_reached():
    """A delivery is skipped when it is planned; digests are not made yet."""
    reached = {state for change in Change for state in change.after}
    assert set(states.FINAL) - reached == {DeliveryState.SKIPPED, DeliveryState.DIGESTED}


def test_states_are_literals_in_statements():
    assert listed(states.LOST) == "'failed', 'expired'"


def test_the_history_of_the_schema_needs_no_name_of_a_state():
    folder = Path(migrations.__path__[0])
    assert not [path.name for path in folder.glob("*.py") if "rules" in path.read_text()]
