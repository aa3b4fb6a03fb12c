"""One active server a kind, whoever acts at the same time; the active one goes last."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from foundation.audit import Actor
from servers import edits
from servers.edits import StaleError
from servers.models import Server, SmsGateway, SmtpServer
from servers.sms.kind import SMS
from servers.smtp.kind import SMTP
from servers.values import UNKNOWN, Experience
from tests import waiting
from tests.db.world import NOW, smtp_server

ACTOR = Actor("somebody")
several = pytest.mark.django_db(transaction=True)
pytestmark = pytest.mark.django_db


def server(name="Mail", **fields):
    usual = {"host": "mail.example.com", "from_email": "it@example.com", "unencrypted_accepted": True}
    return SmtpServer(kind="smtp", name=name, **{**usual, **fields})


def added(name, **fields):
    made = server(name, **fields)
    edits.create(made, kind=SMTP, actor=ACTOR)
    return made


def added_gateway(name):
    edits.create(SmsGateway(name=name, key="k", secret="s", unencrypted_accepted=True), kind=SMS, actor=ACTOR)


def active():
    return list(Server.objects.filter(active=True).values_list("name", flat=True))


def at_once(*calls):
    """What each call answered or raised, all started at the same moment in threads of their own."""
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait(waiting.PATIENCE)
        try:
            return call()
        except (ValidationError, IntegrityError, Server.DoesNotExist) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_the_first_of_a_kind_becomes_active_and_the_next_does_not():
    added("one")
    added("two")
    added_gateway("three")
    assert active() == ["one", "three"]


def test_activating_one_deactivates_the_other_of_its_kind_only():
    added("one")
    second = added("two")
    added_gateway("three")
    edits.activate(second.pk, actor=ACTOR, now=NOW)
    assert sorted(active()) == ["three", "two"]


def test_the_database_itself_refuses_a_second_active_one():
    smtp_server(name="one")
    with pytest.raises(IntegrityError), transaction.atomic():
        smtp_server(name="two")


LATER = NOW + timedelta(hours=1)
STOPPED = {
    "stopped_at": NOW,
    "paused_until": LATER,
    "pause_count": 3,
    "trouble_code": "credentials_refused",
    "trouble_detail": "535",
    "sign_ins_refused": 3,
}


@pytest.mark.parametrize("passed", [True, False])
def test_a_passed_test_lets_a_stopped_server_send_again(passed):
    made = added("one", **STOPPED, unanswered=3, unanswered_at=NOW, refusals={"550": {}})
    edits.tested(made.pk, passed=passed, now=NOW)
    made.refresh_from_db()
    well = {"stopped_at": None, "paused_until": None, "pause_count": 0, "trouble_code": "", "trouble_detail": ""}
    well |= {"sign_ins_refused": 0}
    assert {name: getattr(made, name) for name in STOPPED} == (well if passed else STOPPED)
    assert (made.unanswered, made.refusals) == ((0, None) if passed else (3, {"550": {}}))
    assert made.last_test_passed is passed


@pytest.mark.parametrize("act", [edits.activate, edits.try_again])
def test_activation_and_a_person_have_a_stopped_server_tried_with_one_message_and_its_sign_ins_stay_counted(act):
    made = added("one", **STOPPED)
    act(made.pk, actor=ACTOR, now=NOW)
    made.refresh_from_db()
    assert (made.stopped_at, made.paused_until, made.sign_ins_refused) == (None, NOW, 3)
    assert made.trouble_code == "credentials_refused"


def test_a_server_that_is_well_needs_no_other_try():
    made = added("one")
    assert not edits.try_again(made.pk, actor=ACTOR, now=NOW)
    made.refresh_from_db()
    assert made.paused_until is None


@pytest.mark.parametrize(
    ("fields", "tried"),
    [
        ({"host": "other.example.com"}, True),
        ({"password": "another"}, True),
        ({"timeout": 60}, True),
        ({"from_email": "hr@example.com"}, True),
        ({"retries": 9, "description": "moved", "connections": 2, "rate_limit": 7}, False),
        ({"password": "a word"}, False),
    ],
)
def test_saving_other_settings_to_send_by_has_a_stopped_server_tried_with_one_message(fields, tried):
    added("one", authentication=True, username="anna", password="a word", **STOPPED)
    changed = SmtpServer.objects.get()
    for name, value in {"password": "a word", **fields}.items():  # typed again, as another place needs
        setattr(changed, name, value)
    edits.change(changed, kind=SMTP, actor=ACTOR, now=NOW)
    stored = SmtpServer.objects.get()
    if tried:
        assert (stored.stopped_at, stored.paused_until, stored.pause_count) == (None, NOW, 0)
        assert (stored.sign_ins_refused, stored.trouble_code) == (0, "credentials_refused")
    else:
        assert {name: getattr(stored, name) for name in STOPPED} == STOPPED


@pytest.mark.parametrize(("fields", "tried"), [({"password": "another"}, True), ({"timeout": 60}, False)])
def test_a_new_sign_in_of_a_server_that_is_well_is_tried_with_one_message_first(fields, tried):
    added("one", authentication=True, username="anna", password="a word")
    changed = SmtpServer.objects.get()
    for name, value in {"password": "a word", **fields}.items():  # typed again, as another place needs
        setattr(changed, name, value)
    edits.change(changed, kind=SMTP, actor=ACTOR, now=NOW)
    assert SmtpServer.objects.get().paused_until == (NOW if tried else None)


SEEN = {
    "session_limit": 10,
    "session_limit_at": NOW,
    "session_limit_reply": "452 4.4.5 too many",
    "unpipelined_at": NOW,
    "unpipelined_reply": "503 bad sequence",
}


@pytest.mark.parametrize(
    ("fields", "forgotten"),
    [
        ({"host": "other.example.com"}, True),
        ({"port": 587}, True),
        ({"security": "tls"}, True),
        ({"username": "bob"}, True),
        ({"password": "another"}, True),
        ({"timeout": 60, "from_email": "hr@example.com", "messages_per_connection": 5}, False),
    ],
)
def test_what_was_seen_of_a_server_is_forgotten_with_another_host_port_security_or_sign_in(fields, forgotten):
    added("one", authentication=True, username="anna", password="a word", **SEEN)
    changed = SmtpServer.objects.get()
    for name, value in {"password": "a word", **fields}.items():  # typed again, as another place needs
        setattr(changed, name, value)
    edits.change(changed, kind=SMTP, actor=ACTOR, now=NOW)
    stored = SmtpServer.objects.get()
    assert (stored.session_limit, stored.unpipelined_at) == ((None, None) if forgotten else (10, NOW))


def test_what_was_seen_is_forgotten_by_hand_too_and_holds_for_a_week():
    made = added("one", **SEEN)
    assert made.experience(NOW + timedelta(days=7) - timedelta(seconds=1)) == Experience(10, no_pipelining=True)
    assert made.experience(NOW + timedelta(days=7)) == UNKNOWN
    assert [edits.forget(made.pk, actor=ACTOR) for _ in range(2)] == [True, False]
    made.refresh_from_db()
    assert {getattr(made, name) for name in SEEN} == {None, ""}


def test_a_change_counts_the_revision_up_and_leaves_what_the_flow_wrote():
    made = added("one")
    stale = SmtpServer.objects.get(pk=made.pk)
    Server.objects.filter(pk=made.pk).update(paused_until=NOW, trouble_code="timeout")
    stale.host, stale.password, stale.description = "other.example.com", "new", "moved"
    edits.change(stale, kind=SMTP, actor=ACTOR, now=NOW)
    edits.change(stale, kind=SMTP, actor=ACTOR, now=NOW)
    stored = SmtpServer.objects.get(pk=made.pk)
    assert (stored.host, stored.password.reveal(), stored.description) == ("other.example.com", "new", "moved")
    assert stored.revision == stale.revision == 3
    assert (stored.paused_until, stored.trouble_code, stored.active) == (NOW, "timeout", True)  # due to be tried


def test_a_name_taken_meanwhile_is_told_at_its_field():
    added("one")
    second = added("two")
    second.name = "one"
    for call in (lambda: added("one"), lambda: edits.change(second, kind=SMTP, actor=ACTOR, now=NOW)):
        with pytest.raises(ValidationError) as refused:
            call()
        assert list(refused.value.error_dict) == ["name"]


def test_what_is_gone_can_neither_be_changed_nor_activated_nor_removed():
    made = added("one")
    edits.delete(made.pk, actor=ACTOR)
    for call in (lambda pk: edits.activate(pk, actor=ACTOR, now=NOW), lambda pk: edits.delete(pk, actor=ACTOR)):
        with pytest.raises(Server.DoesNotExist):
            call(made.pk)
    with pytest.raises(Server.DoesNotExist):
        edits.change(made, kind=SMTP, actor=ACTOR, now=NOW)


def test_the_active_one_is_deleted_last():
    first, second = added("one"), added("two")
    with pytest.raises(ValidationError) as refused:
        edits.delete(first.pk, actor=ACTOR)
    assert refused.value.code == "active_server"
    assert "one" in refused.value.messages[0]
    edits.delete(second.pk, actor=ACTOR)
    edits.delete(first.pk, actor=ACTOR)
    assert not Server.objects.exists()


def test_a_server_of_another_kind_does_not_keep_the_last_one():
    made = added("one")
    added_gateway("two")
    edits.delete(made.pk, actor=ACTOR)
    assert active() == ["two"]


@several
def test_of_many_first_ones_added_at_once_exactly_one_is_active():
    results = at_once(*[lambda name=f"s{number}": added(name) for number in range(6)])
    assert all(isinstance(result, SmtpServer) for result in results)
    assert len(active()) == 1
    assert Server.objects.count() == 6


@several
def test_activations_at_once_leave_exactly_one_active():
    made = [added(f"s{number}") for number in range(6)]
    results = at_once(*[lambda pk=one.pk: edits.activate(pk, actor=ACTOR, now=NOW) for one in made])
    assert results == [None] * 6
    assert len(active()) == 1


@several
def test_adding_and_deleting_at_once_never_leaves_servers_without_an_active_one():
    for turn in range(8):
        old = added(f"old{turn}")
        at_once(lambda pk=old.pk: edits.delete(pk, actor=ACTOR), lambda name=f"new{turn}": added(name))
        assert len(active()) == 1
        for row in Server.objects.order_by("active"):
            edits.delete(row.pk, actor=ACTOR)


@several
def test_of_equal_names_added_at_once_one_is_stored_and_the_others_are_told():
    results = at_once(*[lambda: added("same")] * 4)
    assert sum(isinstance(result, SmtpServer) for result in results) == 1
    assert all("name" in result.error_dict for result in results if not isinstance(result, SmtpServer))


@several
def test_changes_at_once_each_count_a_revision_or_are_refused():
    made = added("one")
    results = at_once(*[lambda: edits.change(SmtpServer.objects.get(pk=made.pk), kind=SMTP, actor=ACTOR, now=NOW)] * 5)
    refused = [result for result in results if result is not None]
    assert all(isinstance(result, StaleError) for result in refused)
    assert SmtpServer.objects.get().revision == 6 - len(refused)


def test_a_test_of_a_server_that_is_gone_changes_nothing():
    edits.tested(4711, passed=True, now=timezone.now())
    assert not Server.objects.exists()
