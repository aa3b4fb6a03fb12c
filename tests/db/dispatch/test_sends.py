"""Sending by hand: to whom, what, how it is paused, resumed, cancelled and sent again, and what it says of itself."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Device, Group, Person
from devices.scope import EVERYBODY as ALL
from devices.scope import GroupScope
from dispatch.broadcasts import control, planning, progress, reach
from dispatch.intake import sends
from dispatch.intake.accept import ConflictError
from dispatch.intake.subjects import RefusedError
from dispatch.models import Broadcast, Delivery, Event, Withheld
from dispatch.outbox import withheld
from dispatch.rules import states
from dispatch.rules.clock import SystemClock
from dispatch.rules.failures import Tally
from dispatch.sending import compose
from dispatch.upkeep import sweep
from foundation.audit import Actor
from foundation.models import AuditEntry
from servers.models import Server
from tests.db import world
from tests.db.dispatch import flow
from transports.types import ChannelKind

pytestmark = pytest.mark.django_db
ADA = Actor(name="ada", address="192.0.2.1")
EVERYBODY = {"all": [{"field": "user.loginname", "op": "is_set"}]}
PHONES = {"all": [{"field": "platform", "op": "is", "value": "iOS"}]}
OWN = {"smtp": {"subject": "Closed", "message": "Dear ${user.displayname}, we are closed."}}


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    """The servers and broadcasts that were woken for."""
    found = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", found.append)
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake_planner", found.append)
    return found


def sender(**fields):
    return sends.Sender(actor=ADA, origin="test", **fields)


def begin(*, repeats=False, now=None, key="", body="", **fields):
    fields = {"message": OWN, "audience": EVERYBODY} | fields
    by = sender(idempotency_key=key, body_hash=body)
    return sends.begin(sends.SendIn(**fields), sender=by, now=now or timezone.now(), repeats=repeats)


def plan(broadcast_id):
    planning.plan(broadcast_id, clock=SystemClock(), stopping=lambda: False)
    return list(Delivery.objects.filter(broadcast=broadcast_id).order_by("address", "device_id"))


def sent(**fields):
    begun = begin(**fields)
    return Broadcast.objects.get(pk=begun.id), plan(begun.id)


def people(number, *, devices=1):
    made = []
    for one in range(number):
        person = world.person(loginname=f"u{one}", mail=f"u{one}@example.com", displayname=f"User {one}")
        made.append(person)
        for other in range(devices):
            world.device(serial=f"S{one}.{other}", owner=person)
    return made


def settle(rows, state, *, code="", at=None):
    pks = [row.pk for row in rows]
    Delivery.objects.filter(pk__in=pks).update(
        state=state, reason_code=code, sent_at=(at or timezone.now()) if state == "sent" else None
    )


def test_text_of_ones_own_is_frozen_and_goes_out_as_it_was_typed():
    world.smtp_server()
    people(1)
    broadcast, (row,) = sent()
    assert (broadcast.name, broadcast.sent_by, broadcast.sent_from) == ("Ad Hoc", "ada", "192.0.2.1")
    (claim,) = flow.claim(row.server_id, now=timezone.now())
    draft = compose.draft(claim, known=compose.sources([claim]))
    assert (draft.text.subject, draft.text.text) == ("Closed", "Dear User 0, we are closed.")
    entry = AuditEntry.objects.get(object_type="dispatch.broadcast")
    assert (entry.actor, entry.action, entry.after["own text"]) == ("ada", "add", True)


def test_a_template_s_text_may_be_edited_and_its_recipients_stay():
    world.smtp_server()
    world.template(recipient="${user.mail}; boss@example.com")
    people(1)
    _, rows = sent(template="Jailbroken")
    assert [row.address for row in rows] == ["boss@example.com", "u0@example.com"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"message": {}}, "template"),
        ({"template": "None such", "message": {}}, "template"),
        ({"template": "Apps", "message": {}}, "template"),
        ({"message": {"smtp": {"subject": "x", "message": "${"}}}, "message.smtp.message"),
        ({"message": {"smtp": {"message": "no subject"}}}, "message.smtp.subject"),
        ({"message": {"sms": {"message": " "}}}, "message.sms.message"),
        ({"message": {"secure_hub": {"message": "x", "sound": "Bang"}}}, "message.secure_hub.sound"),
        ({"channels": frozenset({ChannelKind.SMS})}, "channels"),
        ({"channels": frozenset()}, "channels"),
        ({"audience": None}, "audience"),
        ({"devices": ["S0.0"]}, "audience"),
        ({"audience": {"all": []}}, "audience.all"),
        ({"audience": None, "devices": ["S0.0", "S9"]}, "devices.1"),
        ({"audience": None, "users": ["nobody"]}, "users.0"),
        ({"audience": None, "recipients": {ChannelKind.SMTP: ["x"]}}, "recipients.smtp.0"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expires_at"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(fields, field):
    world.template(name="Apps", type_code="device.app_compliance", message="${outofcompliance.reason(smg_block)}")
    people(1)
    with pytest.raises(RefusedError) as refused:
        begin(**fields)
    assert refused.value.field == field
    assert not Event.objects.exists()
    assert not Broadcast.objects.exists()


def test_devices_and_users_are_named_by_id_or_key():
    world.smtp_server()
    people(3)
    world.person(loginname="Bare", mail="bare@example.com")
    device = Device.objects.get(serial="S1.0")
    _, rows = sent(audience=None, devices=["S0.0", str(device.uid)])
    assert [row.address for row in rows] == ["u0@example.com", "u1@example.com"]
    _, rows = sent(audience=None, users=["U2", "u2", "bare"])
    assert [row.address for row in rows] == ["bare@example.com", "u2@example.com"]
    _, rows = sent(audience=None, recipients={ChannelKind.SMTP: ["x@EXAMPLE.com", "x@example.com"]})
    assert [row.address for row in rows] == ["x@example.com"]


def test_nobody_outside_of_the_scope_is_reached():
    world.smtp_server()
    one, other = people(2)
    group = Group.objects.create(name="Sales")
    one.groups.add(group)
    scope = GroupScope(frozenset({group.pk}))
    _, rows = sent(within=scope)
    assert [row.person_id for row in rows] == [one.pk]
    with pytest.raises(RefusedError, match=other.loginname):
        begin(audience=None, users=[other.loginname], within=scope)
    with pytest.raises(RefusedError, match="limited"):
        begin(audience=None, recipients={ChannelKind.SMTP: ["x@example.com"]}, within=scope)


def test_the_same_key_begins_one_and_another_body_is_refused():
    first = begin(key="a", body="x")
    assert begin(key="a", body="x") == sends.Begun(first.id, replayed=True)
    with pytest.raises(ConflictError):
        begin(key="a", body="y")
    assert Broadcast.objects.count() == 1


def test_a_key_that_is_used_while_the_broadcast_is_stored_leaves_none_without_its_event(monkeypatch):
    first = begin(key="a", body="x")
    monkeypatch.setattr(sends, "_first", lambda _sender: None)
    assert begin(key="a", body="x", repeats=True) == sends.Begun(first.id, replayed=True)
    assert Broadcast.objects.count() == 1


def test_what_is_swept_or_put_aside_after_a_decision_does_not_wait_for_ever(monkeypatch):
    server = world.smtp_server()
    people(3)
    broadcast, _rows = sent()
    now = timezone.now()
    claims = flow.claim(server.pk, now=now, most=1, lease=broadcast.pk)
    withheld.pause(broadcast.pk, now=now)
    undecided, seen = Withheld.objects.get(), withheld.waiting()
    control.resume(broadcast.pk, actor=ADA, now=now)
    withheld._sweep(undecided, now=now)
    assert flow.states() == {"claimed": 1, "due": 2}
    read = iter([seen])
    monkeypatch.setattr(withheld, "waiting", lambda real=withheld.waiting: next(read, None) or real())
    assert withheld.put_aside(claims, lease=broadcast.pk) == claims


def test_the_same_template_to_the_same_people_within_ten_minutes_asks():
    people(2)
    now = timezone.now()
    first = begin(now=now, audience=None, users=["u0"])
    with pytest.raises(sends.OverlapError) as overlap:
        begin(now=now + timedelta(minutes=9))
    assert overlap.value.other.pk == first.id
    begin(now=now, audience=None, users=["u1"])
    begin(now=now, audience=None, users=["u0"], message={"smtp": {"subject": "Something else", "message": "x"}})
    begin(now=now + timedelta(minutes=20))
    begin(now=now, repeats=True)
    assert Broadcast.objects.count() == 5


def test_disabled_users_get_nothing():
    world.smtp_server()
    world.device(owner=world.person(disabled=True))
    _, (row,) = sent()
    assert (row.state, row.reason_code, row.address) == ("skipped", "disabled", "u1@example.com")


def test_one_that_is_not_to_start_waits_until_it_is_resumed(heard, django_capture_on_commit_callbacks):
    world.smtp_server()
    people(1)
    with django_capture_on_commit_callbacks(execute=True):
        begun = begin(start=False)
    assert not heard
    sweep.sweep(now=timezone.now())
    assert not heard
    assert plan(begun.id) == []
    with django_capture_on_commit_callbacks(execute=True):
        control.resume(begun.id, actor=ADA, now=timezone.now())
    assert heard == [begun.id]
    assert len(plan(begun.id)) == 1


def test_paused_nothing_is_sent_and_resumed_it_goes_on_where_it_was(monkeypatch):
    world.smtp_server()
    people(5)
    monkeypatch.setattr(planning, "FIRST", 2)
    broadcast, now = begin(), timezone.now()
    calls = iter([True])
    planning.plan(broadcast.id, clock=SystemClock(), stopping=lambda: next(calls))
    control.pause(broadcast.id, actor=ADA, now=now)
    with pytest.raises(control.NotAllowedError):
        control.pause(broadcast.id, actor=ADA, now=now)
    assert plan(broadcast.id)[0].state == "paused"
    assert flow.states() == {"paused": 2}
    for _ in range(5):
        try:
            control.resume(broadcast.id, actor=ADA, now=now)
        except control.NotAllowedError:
            continue
    rows = plan(broadcast.id)
    assert flow.states() == {"due": 5}
    assert not Withheld.objects.exists()
    assert len({row.address for row in rows}) == 5
    done = [entry.after.get("state") for entry in AuditEntry.objects.order_by("pk") if entry.action == "change"]
    assert done == ["paused", "planning"]


def test_what_is_claimed_while_it_is_paused_waits_too_and_keeps_its_tries():
    server = world.smtp_server()
    people(1)
    broadcast, (row,) = sent()
    Delivery.objects.update(tries=2, reason_code="greylisted")
    now = timezone.now()
    claims = flow.claim(server.pk, now=now, lease=broadcast.pk)
    control.pause(broadcast.pk, actor=ADA, now=now)
    from dispatch.outbox import withheld  # noqa: PLC0415

    assert withheld.put_aside(claims, lease=broadcast.pk) == []
    row.refresh_from_db()
    assert (row.state, row.tries) == ("paused", 2)
    control.resume(broadcast.pk, actor=ADA, now=now)
    row.refresh_from_db()
    assert (row.state, row.tries) == ("due", 2)


def test_a_cancelled_one_sends_nothing_more_not_even_what_comes_back():
    server = world.smtp_server()
    people(3)
    broadcast, rows = sent()
    now = timezone.now()
    (claim,) = flow.claim(server.pk, now=now, most=1, lease=broadcast.pk)
    control.cancel(broadcast.pk, actor=ADA, now=now)
    assert flow.states() == {"claimed": 1, "cancelled": 2}
    Delivery.objects.filter(pk=claim.id).update(state="due", lease=None, lease_until=None)
    sweep.sweep(now=now)
    assert flow.states() == {"cancelled": 3}
    sweep.sweep(now=now)
    assert not Withheld.objects.exists()
    with pytest.raises(control.NotAllowedError):
        control.resume(broadcast.pk, actor=ADA, now=now)
    assert len(rows) == 3


def test_again_goes_to_those_whom_it_did_not_reach_by_the_channel_that_failed():
    world.smtp_server()
    world.sms_gateway()
    message = OWN | {"sms": {"message": "Closed"}}
    for number, person in enumerate(people(3)):
        Person.objects.filter(pk=person.pk).update(mobile=f"+1202555010{number}")
    broadcast, rows = sent(message=message)
    settle(rows, "sent")
    settle([row for row in rows if row.address in {"u1@example.com", "+12025550102"}], "failed", code="mailbox_full")
    with pytest.raises(RefusedError, match="not ended"):
        sends.begin_again(broadcast.pk, sender=sender(), within=ALL, now=timezone.now())
    planning.finish(now=timezone.now())
    begun = sends.begin_again(broadcast.pk, sender=sender(), within=ALL, now=timezone.now())
    again = Broadcast.objects.get(pk=begun.id)
    assert sorted(row.address for row in plan(begun.id)) == ["+12025550102", "u1@example.com"]
    assert (again.audience, again.texts) == ({"again": str(broadcast.pk)}, broadcast.texts)
    with pytest.raises(sends.OverlapError):
        sends.begin_again(broadcast.pk, sender=sender(), within=ALL, now=timezone.now())
    settle(Delivery.objects.filter(broadcast=begun.id), "failed", code="mailbox_full")
    planning.finish(now=timezone.now())
    third = sends.begin_again(begun.id, sender=sender(), within=ALL, now=timezone.now())
    assert len(plan(third.id)) == 2


def failing(number, *, of, code="mailbox_full"):
    world.smtp_server()
    people(of)
    broadcast, rows = sent()
    settle(rows, "sent")
    settle(rows[:number], "failed", code=code)
    return broadcast, rows


def test_it_pauses_itself_at_a_share_of_failures_and_resumed_it_tries_those_again():
    broadcast, rows = failing(6, of=110)
    settle(rows[100:], "due")
    assert control.watch(now=timezone.now()) == 1
    broadcast.refresh_from_db()
    seen = progress.of(broadcast, scope=ALL, now=timezone.now())
    assert (broadcast.state, seen.pause.code) == ("paused", "mailbox_full")
    withheld_rows = Delivery.objects.filter(broadcast=broadcast.pk, state="due").count()
    sweep.sweep(now=timezone.now())
    assert flow.states() == {"sent": 94, "failed": 6, "paused": withheld_rows}
    control.resume(broadcast.pk, actor=ADA, now=timezone.now())
    assert flow.states() == {"sent": 94, "due": 16}
    settle(rows[:6], "failed", code="mailbox_full")
    settle(rows[100:], "sent")
    assert control.watch(now=timezone.now()) == 0
    assert control.forgiven_of(Broadcast.objects.get()) == Tally(94)
    assert plan(broadcast.pk)
    assert planning.finish(now=timezone.now()) == 1


@pytest.mark.parametrize(("failed", "of"), [(5, 100), (50, 99)])
def test_few_failures_pause_nothing(failed, of):
    failing(failed, of=of)
    assert control.watch(now=timezone.now()) == 0


def test_it_says_why_it_stands_still():
    server = world.smtp_server()
    people(2)
    broadcast, _rows = sent()
    now = timezone.now()
    assert progress.of(broadcast, scope=ALL, now=now).still == ""
    Broadcast.objects.update(created_at=now - timedelta(minutes=2))
    broadcast.refresh_from_db()
    assert "No worker" in progress.of(broadcast, scope=ALL, now=now).still
    from dispatch.wakeup import liveness  # noqa: PLC0415

    liveness.beat("drain", now=now)
    assert "turn" in progress.of(broadcast, scope=ALL, now=now).still
    Server.objects.filter(pk=server.pk).update(paused_until=now + timedelta(minutes=5), trouble_detail="451 later")
    assert "451 later" in progress.of(broadcast, scope=ALL, now=now).still
    Server.objects.filter(pk=server.pk).update(active=False)
    assert "not active" in progress.of(broadcast, scope=ALL, now=now).still
    Delivery.objects.update(server=None)
    assert "No SMTP server" in progress.of(broadcast, scope=ALL, now=now).still
    settle(_rows[:1], "sent", at=now)
    assert progress.of(broadcast, scope=ALL, now=now).still == ""


def test_progress_counts_rows():
    world.smtp_server()
    people(4)
    broadcast, rows = sent()
    settle(rows[:2], "sent")
    settle(rows[2:3], "failed", code="policy")
    broadcast.refresh_from_db()
    found = progress.of(broadcast, scope=ALL, now=broadcast.created_at + timedelta(seconds=10))
    assert (found.planned, found.ended, found.taken, found.unreached) == (4, 3, 2, 1)
    assert [(each.code, each.number) for each in found.failures] == [("policy", 1)]
    assert found.left == timedelta(seconds=5)


MAILS = st.sampled_from(
    ["a@example.com", "A@example.com", "a@EXAMPLE.com", "b@example.com", "", "none", "ü@example.com"]
)
PEOPLE = st.lists(st.tuples(MAILS, st.integers(0, 3), st.booleans()), min_size=1, max_size=5)
TEXTS = st.sampled_from(["Hello", "Hello ${device.model}"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fleet=PEOPLE, text=TEXTS, lone=st.integers(0, 2))
def test_the_reach_is_what_is_planned(fleet, text, lone):
    for model in (Broadcast, Event, Device, Person, Server):
        model.objects.all().delete()
    world.smtp_server()
    for number, (mail, devices, disabled) in enumerate(fleet):
        owner = world.person(loginname=f"u{number}", mail=mail, disabled=disabled)
        for other in range(devices):
            world.device(serial=f"S{number}.{other}", owner=owner)
    for number in range(lone):
        world.device(serial=f"L{number}")
    send_in = sends.SendIn(message={"smtp": {"subject": "x", "message": text}}, audience=EVERYBODY)
    prepared = sends.prepare(send_in, sender=sender(), now=timezone.now())
    found = reach.of(prepared.run)
    listed = [
        line
        for group in found.left_out
        for line in list(reach.as_csv(prepared.run, channel=group.channel, code=group.code))[1:]
    ]
    _, rows = sent(message=send_in.message)
    stored = {}
    for row in rows:
        code = row.reason_code if row.state == "skipped" else "reached"
        stored[code] = stored.get(code, 0) + 1
    told = {group.code: group.number for group in (*found.reached, *found.left_out)}
    assert {code: number for code, number in told.items() if not code.startswith("same_")} == stored
    assert found.messages == stored.get("reached", 0)
    assert len(listed) == sum(group.number for group in found.left_out)
    assert set(states.STORED) >= {row.state for row in rows}


def command(*args):
    out = StringIO()
    call_command("send", *args, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_tells_the_reach_and_sends():
    world.smtp_server()
    people(2)
    world.device(serial="lone")
    to, said = ("--filter", json.dumps(PHONES)), ("--subject", "Closed", "--message", "We are closed.")
    told = ["Messages: 2 to 2 people (smtp 2).", "Left out: 1 by smtp, no_address."]
    assert command(*to, *said, "--dry-run") == [*told, "Nothing was sent: dry run."]
    assert not Broadcast.objects.exists()
    assert command(*to, *said) == [*told, f"Broadcast {Broadcast.objects.get().pk} was begun."]
    with pytest.raises(CommandError, match="by send, since"):
        command(*to, *said)
    command(*to, *said, "--repeat")
    command("--mail", "boss@example.com", *said)
    assert Broadcast.objects.count() == 3


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--filter", "x", "--template", "T"), "--filter"),
        (("--filter", '{"all": []}', "--sms", "x"), "audience.all"),
        (("--user", "nobody", "--sms", "x"), "users.0"),
        (("--user", "nobody"), "template"),
    ],
)
def test_the_command_names_what_is_wrong(args, words):
    with pytest.raises(CommandError, match=words):
        command(*args)
