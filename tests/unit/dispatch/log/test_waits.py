"""Why a delivery stands where it does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dispatch.log import waits
from dispatch.models import Delivery
from servers.models import Server

NOW = timezone.now()
LATER, MUCH_LATER = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
PAUSED = {"paused_until": LATER, "trouble_code": "connection_refused"}
STOPPED = {"stopped_at": NOW, "trouble_code": "out_of_credit", "trouble_detail": "Pay us."}


def server(pk=1, **fields):
    return Server(**{"pk": pk, "name": f"Relay {pk}", "kind": "smtp", "active": True, **fields})


def why(*, own=None, active=(), **fields):
    row = Delivery(
        **{"state": "due", "server_kind": "smtp", "due_at": NOW, "server_id": own.pk if own else None, **fields}
    )
    found = waits.why(row, server=own, active={each.kind: each for each in active})
    return found.words, found.next_at


@pytest.mark.parametrize(
    ("fields", "due_at", "words", "next_at"),
    [
        ({}, NOW, "It waits for its turn.", None),
        ({}, LATER, "", LATER),
        (PAUSED, NOW, "“Relay 1” is paused: Nothing listens on this port.", LATER),
        (PAUSED, MUCH_LATER, "“Relay 1” is paused: Nothing listens on this port.", MUCH_LATER),
        (STOPPED, NOW, "“Relay 1” has stopped: ", None),
    ],
)
def test_a_queued_one_names_its_servers_trouble_and_the_next_try(fields, due_at, words, next_at):
    own = server(**fields)
    found = why(own=own, active=[own], due_at=due_at)
    assert found[0].startswith(words)
    assert found[1] == next_at


def test_a_deferred_one_says_what_for_and_when_it_is_tried_again():
    own = server()
    found = why(own=own, active=[own], reason_code="greylisted", due_at=LATER)
    assert found == ("The server asked us to come back later.", LATER)


def test_one_without_an_active_server_says_so_and_else_which_it_goes_through():
    assert why() == ("No server of the type SMTP is active. It goes out as soon as one is.", None)
    old = server(active=False)
    assert why(own=old)[0].startswith("No server of the type SMTP")
    assert why(own=old, active=[server(2)]) == ("It goes out through “Relay 2”, which is the active one now.", None)
    assert why(own=old, active=[server(2, **PAUSED)])[0].startswith("“Relay 2” is paused")


def test_what_does_not_wait_for_a_server_has_its_own_reason():
    own = server(**PAUSED)
    assert why(own=own, active=[own], state="failed", reason_code="expired") == (
        "It could not be sent in its time.",
        None,
    )
    assert why(own=own, active=[own], state="sent") == ("", None)
    assert why(own=own, active=[own], state="paused") == ("Its broadcast is paused.", None)
