"""Broadcasts: whom they reach, each once, planned in chunks that a killed worker may leave half done."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Device, Person, PushToken
from dispatch.broadcasts import planning
from dispatch.intake import accept
from dispatch.intake.subjects import RefusedError
from dispatch.models import Broadcast, Delivery, Event
from dispatch.outbox import fanout
from dispatch.rules.clock import SystemClock
from dispatch.upkeep import sweep
from dispatch.upkeep.reaper import Reaper
from servers.models import SmsGateway
from templates_app.models import TemplateChannel, TemplateText
from tests.db import world
from tests.hand_clock import HandClock
from transports.types import ChannelKind

pytestmark = pytest.mark.django_db
ALL_DEVICES = {"all": [{"field": "device.serialNumber", "op": "is_set"}]}
ALL_USERS = {"all": [{"field": "user.loginname", "op": "is_set"}]}
SAME_FOR_ALL = {"subject": "Hello", "message": "Dear ${user.displayname}, the office is closed."}


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    """The servers and broadcasts that were woken for."""
    found = []
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake", found.append)
    monkeypatch.setattr("dispatch.wakeup.wake_ups.wake_planner", found.append)
    return found


def announce(audience=ALL_DEVICES, **fields):
    now = timezone.now()
    event = accept.EventIn(occurred_at=now, template="Jailbroken", audience=audience, **fields)
    return accept.accept(event, origin="key:1", now=now)


def planned(audience=ALL_DEVICES, **fields):
    accepted = announce(audience, **fields)
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    return list(Delivery.objects.filter(event=accepted.id).order_by("device_id", "address"))


def addresses(rows):
    return sorted(row.address for row in rows)


def test_it_is_accepted_at_once_and_planned_afterwards(heard):
    server, made = world.smtp_server(), world.template(**SAME_FOR_ALL)
    world.device(owner=world.person())
    accepted = announce()
    broadcast = Broadcast.objects.get()
    assert (accepted.deliveries, broadcast.state) == (0, "planning")
    assert "broadcast" in accepted.notes[0]
    assert not Delivery.objects.exists()
    planning.plan(broadcast.pk, clock=SystemClock(), stopping=lambda: False)
    row = Delivery.objects.get()
    assert (row.event_id, row.broadcast_id, row.server_id, row.state) == (accepted.id, broadcast.pk, server.pk, "due")
    assert (row.template_version_id, row.priority, row.address_name) == (made.current_id, 9, "User One")
    assert row.id.version == 7
    assert Broadcast.objects.get().state == "running"


def test_servers_and_the_planner_are_woken_after_the_commit(heard, django_capture_on_commit_callbacks):
    server = world.smtp_server()
    world.template(**SAME_FOR_ALL)
    world.device(owner=world.person())
    with django_capture_on_commit_callbacks(execute=True):
        planned()
    assert heard == [Broadcast.objects.get().pk, server.pk]


def test_one_mail_an_address_and_one_a_device_where_the_text_tells_of_it():
    world.smtp_server()
    made = world.template(**SAME_FOR_ALL)
    shared = [world.person(loginname=f"u{number}", mail="team@example.com") for number in range(2)]
    for number, owner in enumerate([*shared, world.person(loginname="ada", mail="ada@example.com"), shared[0]]):
        world.device(serial=f"S{number}", owner=owner)
    assert addresses(planned()) == ["ada@example.com", "team@example.com"]

    Broadcast.objects.all().delete()
    world.template(name="Of devices", message="Your ${device.model} is lost.")
    now = timezone.now()
    event = accept.EventIn(occurred_at=now, template="Of devices", audience=ALL_DEVICES)
    accepted = accept.accept(event, origin="key:1", now=now)
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    rows = Delivery.objects.filter(event=accepted.id)
    assert addresses(rows) == ["ada@example.com", *["team@example.com"] * 3]
    assert made.current_id != rows[0].template_version_id


@pytest.mark.parametrize(("text", "mails"), [("${user.department}", 1), ("${custom.shoesize}", 2), ("${device.A}", 2)])
def test_a_property_of_ones_own_makes_one_a_device(text, mails):
    world.smtp_server()
    world.template(subject="Hello", message=text)
    owner = world.person()
    for serial in ("S1", "S2"):
        world.device(serial=serial, owner=owner)
    assert len(planned()) == mails


def test_who_can_not_be_reached_is_skipped_with_the_reason():
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    world.device(serial="S1")
    world.device(serial="S2", owner=world.person(loginname="a", mail=""))
    world.device(serial="S3", owner=world.person(loginname="b", mail="no address"))
    rows = planned()
    assert [(row.state, row.reason_code) for row in rows] == [
        ("skipped", "no_address"),
        ("skipped", "no_address"),
        ("skipped", "no_address"),
    ]


def test_users_without_a_device_are_reached_where_the_filter_can_hold_for_them():
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    world.person(loginname="bare", mail="bare@example.com")
    world.device(owner=world.person())
    assert addresses(planned(ALL_USERS)) == ["bare@example.com", "u1@example.com"]


def test_only_those_that_were_there_are_reached():
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    world.device(owner=world.person())
    accepted = announce(ALL_USERS)
    Broadcast.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    planning.plan(Broadcast.objects.get().pk, clock=SystemClock(), stopping=lambda: False)
    assert not Delivery.objects.filter(event=accepted.id)


def test_further_recipients_get_one_each_and_no_address_two():
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    world.device(owner=world.person())
    rows = planned(recipients={ChannelKind.SMTP: ["boss@example.com", "u1@example.com"]})
    assert addresses(rows) == ["boss@example.com", "u1@example.com"]


def test_a_wrong_further_recipient_is_refused_and_nothing_is_stored():
    world.template(**SAME_FOR_ALL)
    with pytest.raises(RefusedError) as refused:
        announce(recipients={ChannelKind.SMTP: ["x"]})
    assert refused.value.field == "recipients.smtp.0"
    assert not Event.objects.exists()
    assert not Broadcast.objects.exists()


def phones(made, *, message="Closed."):
    channel = TemplateChannel.objects.create(version=made.current, kind="sms", active=True, recipient="${user.mobile}")
    TemplateText.objects.create(channel=channel, language="", message=message)
    hub = TemplateChannel.objects.create(version=made.current, kind="secure_hub", active=True)
    TemplateText.objects.create(channel=hub, language="", message=message)


def test_push_goes_once_a_token_and_sms_unless_no_device_has_a_sim():
    world.smtp_server()
    SmsGateway.objects.create(kind="sms", name="SMS", active=True, key="k", country="GB")
    phones(world.template(**SAME_FOR_ALL))
    both = world.person(loginname="a", mail="a@example.com", mobile="+447700900001")
    none = world.person(loginname="b", mail="b@example.com", mobile="+447700900002")
    for serial, owner, sim in (("S1", both, False), ("S2", both, True), ("S3", none, False), ("S4", none, False)):
        device = world.device(serial=serial, owner=owner, has_sim=sim)
        if serial != "S4":
            PushToken.objects.create(
                device=device, kind="apns", token="aa" if serial == "S1" else "bb", registered_at=timezone.now()
            )
    rows = planned()
    texts = [(row.address, row.state, row.reason_code) for row in rows if row.channel == "sms"]
    assert sorted(texts) == [("+447700900001", "due", ""), ("+447700900002", "skipped", "no_sim")]
    tokens = sorted((row.address, row.reason_code) for row in rows if row.channel == "secure_hub")
    assert tokens == [("", "no_push_token"), ("aa", "no_active_server"), ("bb", "no_active_server")]


def test_a_killed_planner_is_followed_by_another_that_repeats_nothing(monkeypatch, heard):
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    for number in range(7):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", mail=f"u{number}@example.com"))
    monkeypatch.setattr(planning, "FIRST", 2)
    monkeypatch.setattr(planning, "CHUNK", 2)
    announce()
    pk = Broadcast.objects.get().pk
    calls = iter([False, True])
    planning.plan(pk, clock=SystemClock(), stopping=lambda: next(calls))
    assert Delivery.objects.count() == 4
    assert heard[-1] == pk
    Broadcast.objects.update(planned_up_to=0, lease_until=timezone.now() + timedelta(minutes=1))
    heard.clear()
    clock, reaper = HandClock(timezone.now()), Reaper()
    reaper.look(clock=clock)
    sweep.sweep(now=clock.now())
    assert pk not in heard
    planning.plan(pk, clock=SystemClock(), stopping=lambda: False)
    assert Delivery.objects.count() == 4
    clock.pass_time(planning.LEASE)
    reaper.look(clock=clock)
    sweep.sweep(now=clock.now())
    assert pk in heard
    planning.plan(pk, clock=SystemClock(), stopping=lambda: False)
    assert len(set(addresses(Delivery.objects.all()))) == Delivery.objects.count() == 7


def test_it_is_finished_when_nothing_of_it_can_be_sent_any_more():
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    for number in range(3):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", mail=f"u{number}@example.com"))
    first, *others = planned()
    now = timezone.now()
    assert planning.finish(now=now) == 0
    Delivery.objects.filter(pk__in=[row.pk for row in others]).update(state="sent", sent_at=now)
    assert planning.finish(now=now) == 0
    assert Broadcast.objects.get().waits_for == first.pk
    Delivery.objects.update(state="sent", sent_at=now)
    assert planning.finish(now=now) == 1
    assert (Broadcast.objects.get().state, Broadcast.objects.get().finished_at) == ("finished", now)
    assert planning.finish(now=now) == 0


def test_one_that_is_replayed_is_begun_once():
    world.smtp_server()
    world.template(**SAME_FOR_ALL)
    now = timezone.now()
    event = accept.EventIn(occurred_at=now, template="Jailbroken", audience=ALL_DEVICES)
    answers = [
        accept.accept(event, origin="key:1", now=now, idempotency_key="a", body_hash="x").replayed for _ in range(2)
    ]
    assert answers == [False, True]
    assert Broadcast.objects.count() == 1


MAILS = st.sampled_from(
    [
        "a@example.com",
        "b@example.com",
        "a@Example.COM",
        "A@EXAMPLE.com",
        "b\u200b@example.com",
        "",
        "no address",
        "ü@example.com",
        "a@exämple.com",
        "a;b@example.com",
        "a@-b.com",
    ]
)
FLEETS = st.lists(st.tuples(st.none() | st.integers(0, 3), st.booleans()), max_size=7)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails=st.lists(MAILS, min_size=4, max_size=4), fleet=FLEETS, per_device=st.booleans(), served=st.booleans())
def test_the_statement_of_the_database_makes_the_same_rows_as_planning_one_by_one(mails, fleet, per_device, served):
    for model in (Broadcast, Event, Device, Person):
        model.objects.all().delete()
    _world(mails, fleet, per_device=per_device, served=served)
    made = []
    for in_sql in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not in_sql:
                patch.setattr(fanout, "takes", lambda channel: False)
            planned(ALL_USERS)
        names = [field.attname for field in Delivery._meta.concrete_fields]
        left_out = {"id", "event_id", "broadcast_id", "due_at", "created_at", "expires_at"}
        rows = Delivery.objects.values_list(*[name for name in names if name not in left_out])
        made.append(sorted(map(repr, rows)))
        Broadcast.objects.all().delete()
    assert made[0] == made[1]


def _world(mails, fleet, *, per_device, served):
    from servers.models import Server  # noqa: PLC0415
    from templates_app.models import NotificationTemplate  # noqa: PLC0415

    Server.objects.all().delete()
    NotificationTemplate.objects.filter(name="Jailbroken").update(name=f"Old {timezone.now().timestamp()}")
    if served:
        world.smtp_server()
    world.template(**(SAME_FOR_ALL | ({"subject": "${device.serial}"} if per_device else {})))
    people = [
        world.person(loginname=f"u{number}", mail=mail, displayname=f"User {number}", language="de", time_zone="UTC")
        for number, mail in enumerate(mails)
    ]
    for number, (owner, sim) in enumerate(fleet):
        world.device(serial=f"S{number}", owner=None if owner is None else people[owner], has_sim=sim)
