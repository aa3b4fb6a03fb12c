"""What every message is refused with fails few of them: the server is paused, or a broadcast or a text waits."""

from datetime import timedelta
from itertools import count

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Device
from dispatch import console
from dispatch.models import Broadcast, Delivery, Event, Withheld
from dispatch.outbox import trouble, withheld
from dispatch.rules import alike
from dispatch.sending import streaks
from dispatch.upkeep import alerts, sweep
from foundation.models import AuditEntry
from servers.models import Server, SmtpServer
from templates_app.models import TemplateChannel, TemplateText
from tests.db import world
from tests.db.dispatch import flow
from tests.hand_clock import HandClock
from transports.fake import FakeChannel
from transports.types import ChannelKind, Deferred, Reason, ReasonCode, Rejected, Scope, Sent

pytestmark = pytest.mark.django_db

PEOPLE = [f"user{number}@example.com" for number in range(8)]
WORDS = "5.7.1 Your company's mail is not wanted here"


def refused(words=WORDS, *, kind=Rejected, reply="554", enhanced="5.7.1"):
    return kind(Reason(ReasonCode.POLICY, Scope.MESSAGE, words, reply=reply, enhanced=enhanced))


@pytest.fixture(autouse=True)
def _nothing_remembered():
    streaks.forget()


@pytest.fixture
def server():
    return world.smtp_server(max_recipients=1)


@pytest.fixture
def mixed(server):
    """Eight mails of eight texts that wait for the server."""
    world.device()
    for number, person in enumerate(PEOPLE):
        world.template(name=f"Template {number}", type_code=f"custom.t{number}", recipient="", message="Hello")
        flow.post(type=f"custom.t{number}", recipients={ChannelKind.SMTP: [person]})


@pytest.fixture
def of_one_text(server):
    made = world.template(recipient="", message="Hello")
    world.device()
    flow.post_to(*PEOPLE)
    return made


def answers(channel, fates, *, otherwise=None):
    channel.answer = lambda wire, to: fates.get(to.address) or otherwise or Sent(provider_id=str(wire.key))


def stored():
    return SmtpServer.objects.get()


def after_the_pause(clock):
    clock.go_to(stored().paused_until)


class TestTheServer:
    def test_is_paused_by_the_third_and_two_fail(self, server, mixed, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        assert flow.states() == {"failed": 2, "due": 6}
        assert (stored().trouble_code, stored().trouble_detail) == ("refused_alike", WORDS)
        assert stored().paused_until == clock.now() + timedelta(seconds=15)
        put_off = Delivery.objects.get(tries=1, state="due")
        assert (put_off.reason_code, put_off.reason_detail) == ("refused_alike", WORDS)
        assert Delivery.objects.filter(state="due", tries=0, attempt_count=0).count() == 5

    def test_is_probed_with_another_message_each_time_and_none_of_them_fails(self, server, mixed, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        for _ in range(5):
            after_the_pause(clock)
            flow.send(server, clock)
        assert flow.states() == {"failed": 2, "due": 6}
        assert {to.address for wire in channel.handed_over for to in wire.to} == set(PEOPLE)
        for _ in range(60):
            after_the_pause(clock)
            flow.send(server, clock)
        assert flow.states() == {"failed": 2, "due": 6}

    @pytest.mark.parametrize("other", [None, flow.UNKNOWN_USER, flow.GREYLISTED, refused("5.6.0 spam")])
    def test_goes_on_with_the_first_other_answer(self, server, mixed, channel, clock, other):
        answers(channel, dict.fromkeys(PEOPLE[:3], refused()), otherwise=other)
        flow.send(server, clock)
        after_the_pause(clock)
        flow.send(server, clock)
        assert (stored().paused_until, stored().trouble_code) == (None, "")

    def test_stays_paused_where_the_same_comes_again_after_another_answer(self, server, mixed, channel, clock):
        answers(channel, {PEOPLE[3]: flow.UNKNOWN_USER}, otherwise=refused())
        for _ in range(6):
            flow.send(server, clock)
            if stored().paused_until:
                after_the_pause(clock)
        assert flow.states()["failed"] == 3
        assert stored().trouble_code == "refused_alike"

    def test_is_not_meant_by_refusals_between_which_something_is_accepted(self, server, mixed, channel, clock):
        answers(channel, dict.fromkeys(PEOPLE[::2], refused()))
        flow.send(server, clock)
        assert flow.states() == {"failed": 4, "sent": 4}
        assert (stored().paused_until, stored().refusals is None) == (None, True)

    @pytest.mark.parametrize(
        "reply",
        [
            flow.UNKNOWN_USER,
            refused("5.1.1 unknown", enhanced="5.1.1"),
            refused("5.2.2 over quota", enhanced="5.2.2"),
            refused("mailbox full", enhanced=""),
        ],
    )
    def test_is_not_meant_by_what_is_said_of_addresses_and_mailboxes(self, server, mixed, channel, clock, reply):
        answers(channel, {}, otherwise=reply)
        flow.send(server, clock)
        assert flow.states() == {"failed": 8}
        assert stored().paused_until is None

    def test_is_not_meant_by_what_never_reached_it(self, server, mixed, channel, clock):
        Delivery.objects.update(address="")
        flow.send(server, clock)
        assert (flow.states(), stored().paused_until) == ({"failed": 8}, None)

    def test_is_meant_by_what_would_fail_each_at_its_last_try(self, server, mixed, channel, clock):
        SmtpServer.objects.update(retries=1)
        answers(channel, {}, otherwise=refused("4.3.0 not now", kind=Deferred, reply="451", enhanced="4.3.0"))
        flow.send(server, clock)
        assert (flow.states(), stored().paused_until) == ({"due": 8}, None)
        for _ in range(30):
            clock.pass_time(timedelta(minutes=6))
            flow.send(server, clock)
        assert flow.states() == {"failed": 2, "due": 6}

    def test_is_told_of(self, server, mixed, channel, clock, settings):
        settings.XMNOTIFY_ADMIN_MOBILE = ["+4930123456"]
        world.sms_gateway()
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        assert alerts.tell(now=clock.now()) == 1

    def test_is_written_only_while_something_is_refused(self, server, mixed, channel, clock, monkeypatch):
        def fail(*_where, **_how):
            raise AssertionError("written")

        monkeypatch.setattr("dispatch.outbox.trouble.refuse", fail)
        monkeypatch.setattr("dispatch.outbox.trouble.end_streaks", fail)
        flow.send(server, clock)
        assert flow.states() == {"sent": 8}

    def test_counts_what_other_lanes_saw(self, server, clock):
        for number in range(3):
            one = trouble.refuse(
                server.pk,
                "554 no",
                {"to": str(number), "at": clock.now().isoformat(), "broadcast": None, "version": number},
                accepted_at=None,
                now=clock.now(),
            )
        assert one["full"]


class TestAText:
    def test_waits_for_a_person_and_the_server_goes_on(self, server, of_one_text, channel, clock, wake_ups):
        answers(channel, {}, otherwise=refused())
        world.template(name="Other", type_code="custom.other", recipient="", message="Other")
        flow.send(server, clock)
        wake_ups.clear()
        sweep.sweep(now=clock.now())
        assert flow.states() == {"failed": 2, "held": 6}
        assert set(Delivery.objects.filter(state="held").values_list("reason_code", "reason_detail")) == {
            ("refused_alike", WORDS)
        }
        assert stored().paused_until is None
        answers(channel, {})
        flow.post(type="custom.other", recipients={ChannelKind.SMTP: ["else@example.com"]})
        flow.send(server, clock)
        assert Delivery.objects.get(address="else@example.com").state == "sent"

    def test_wakes_for_what_else_is_due(self, server, of_one_text, channel, clock, wake_ups):
        wake_ups.clear()
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        assert wake_ups == [server.pk]

    def test_keeps_later_messages_too_without_a_try(self, server, of_one_text, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        flow.post_to("later@example.com")
        flow.send(server, clock)
        later = Delivery.objects.get(address="later@example.com")
        assert (later.state, later.reason_code, later.tries, later.attempt_count) == ("held", "refused_alike", 0, 0)

    def test_for_another_channel_goes_out(self, server, channel, clock):
        made = world.template(recipient="", message="Hello")
        sms = TemplateChannel.objects.create(version=made.current, kind="sms", active=True, recipient="")
        TemplateText.objects.create(channel=sms, language="", message="Hello")
        gateway = world.sms_gateway()
        world.device()
        flow.post_to(*PEOPLE)
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        flow.post(recipients={ChannelKind.SMTP: ["later@example.com"], ChannelKind.SMS: ["+14155550123"]})
        answers(channel, {})
        flow.send(server, clock)
        flow.send(gateway, clock)
        sweep.sweep(now=clock.now())
        assert flow.states() == {"failed": 2, "held": 7, "sent": 1}
        assert Delivery.objects.get(channel="sms").state == "sent"

    def test_waits_by_channel(self, of_one_text):
        version = of_one_text.current_id
        for kind in ChannelKind:
            refusal = alike.Refused(to="", at="", broadcast=None, version=version)
            reason = refused().reason
            withheld.begin(alike.Blame.VERSION, refusal, reason, channel=kind, server_name="Mail", now=world.NOW)
        assert Withheld.objects.filter(template_version=version).count() == len(ChannelKind)

    def test_is_sent_again_when_a_person_says_so(self, server, of_one_text, channel, clock, wake_ups):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        answers(channel, {})
        wake_ups.clear()
        assert withheld.decide(Withheld.objects.get(), Withheld.Decision.SEND, now=clock.now())
        flow.send(server, clock)
        assert flow.states() == {"failed": 2, "sent": 6}
        assert not Withheld.objects.exists()

    def test_is_cancelled_when_a_person_says_so(self, server, of_one_text, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        one = Withheld.objects.get()
        assert withheld.decide(one, Withheld.Decision.CANCEL, now=clock.now())
        assert not withheld.decide(one, Withheld.Decision.SEND, now=clock.now())
        assert flow.states() == {"failed": 2, "cancelled": 6}

    def test_that_is_sent_again_and_refused_again_fails_nobody_more(self, server, of_one_text, channel, clock):
        answers(channel, {}, otherwise=refused())
        for _ in range(3):
            flow.send(server, clock)
            sweep.sweep(now=clock.now())
            assert flow.states() == {"failed": 2, "held": 6}
            withheld.decide(Withheld.objects.get(), Withheld.Decision.SEND, now=clock.now())

    def test_many_go_aside_in_chunks(self, server, of_one_text, channel, clock, monkeypatch):
        monkeypatch.setattr(withheld, "CHUNK", 2)
        monkeypatch.setattr(withheld, "CHUNKS", 2)
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        states = []
        for _ in range(3):
            withheld.sweep(now=clock.now())
            states.append(flow.states())
        assert states == [{"failed": 2, "held": 4, "due": 2}, *[{"failed": 2, "held": 6}] * 2]
        assert Withheld.objects.get().settled

    def test_has_a_banner_with_what_can_be_done(self, server, of_one_text, channel, clock, admin_client):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        (found,) = [each for each in console.findings() if each.buttons]
        assert str(found.subject) == "Jailbroken"
        assert f"“{WORDS}”. 6 messages wait." in found.words
        page = admin_client.get("/settings/about/").content.decode()
        for decision in ("send", "cancel"):
            assert f'action="{reverse("withheld", args=[Withheld.objects.get().pk, decision])}"' in page
        assert admin_client.post(found.buttons[1].url).status_code == 302
        assert flow.states() == {"failed": 2, "cancelled": 6}
        assert AuditEntry.objects.get().action == "change"


class TestABroadcast:
    @pytest.fixture
    def broadcast(self, of_one_text, clock):
        made = Broadcast.objects.create(created_at=clock.now(), state="running")
        Event.objects.update(broadcast=made)
        Delivery.objects.update(broadcast=made)
        return made

    def test_is_paused_with_the_reason_and_the_server_goes_on(self, server, broadcast, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        broadcast.refresh_from_db()
        assert broadcast.state == "paused"
        assert flow.states() == {"failed": 2, "paused": 6}
        assert set(Delivery.objects.filter(state="paused").values_list("reason_code", flat=True)) == {"refused_alike"}
        assert stored().paused_until is None

    def test_goes_on_when_a_person_says_so(self, server, broadcast, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        sweep.sweep(now=clock.now())
        answers(channel, {})
        withheld.decide(Withheld.objects.get(), Withheld.Decision.SEND, now=clock.now())
        broadcast.refresh_from_db()
        assert broadcast.state == "planning"
        flow.send(server, clock)
        assert flow.states() == {"failed": 2, "sent": 6}

    def test_is_cancelled_when_a_person_says_so(self, server, broadcast, channel, clock):
        answers(channel, {}, otherwise=refused())
        flow.send(server, clock)
        assert flow.states() == {"failed": 2, "due": 6}
        withheld.decide(Withheld.objects.get(), Withheld.Decision.CANCEL, now=clock.now())
        broadcast.refresh_from_db()
        assert (broadcast.state, flow.states()) == ("cancelled", {"failed": 2, "cancelled": 6})


HANDFUL = 3
_ids = count(1000)


def _everybodys(kind):
    """The same refusal in each message's own words: ids, numbers and addresses in it differ."""

    def reply(address):
        words = f"{kind[1]} message {next(_ids)}AB for <{address}> is not wanted"
        what = Rejected if kind[0].startswith("5") else Deferred
        return what(Reason(ReasonCode.POLICY, Scope.MESSAGE, words, reply=kind[0], enhanced=kind[1]))

    return reply


_OTHERS = (flow.UNKNOWN_USER, flow.GREYLISTED, flow.NO_ANSWER, flow.SHUTTING_DOWN)
_turns = st.lists(st.one_of(st.just(None), st.just(None), st.just(None), st.sampled_from(_OTHERS)), max_size=40)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    kind=st.sampled_from([("554", "5.7.1"), ("550", ""), ("451", "4.7.1")]),
    turns=_turns,
    retries=st.integers(0, 2),
    texts=st.integers(1, 3),
)
def test_what_every_message_gets_fails_no_more_than_a_handful(monkeypatch, kind, turns, retries, texts):
    Event.objects.all().delete()
    Withheld.objects.all().delete()
    Server.objects.all().delete()
    streaks.forget()
    Device.objects.get_or_create(serial="S1")
    server = world.smtp_server(max_recipients=1, retries=retries)
    for number in range(texts):
        name = f"custom.t{next(_ids)}"
        world.template(name=name, type_code=name, recipient="", message="Hello")
        flow.post(
            type=name,
            recipients={ChannelKind.SMTP: [f"user{number}-{person}@example.com" for person in range(24 // texts)]},
        )
    left, reply, clock = list(turns), _everybodys(kind), HandClock(world.NOW)
    channel = FakeChannel(answer=lambda wire, to: (left.pop() if left else None) or reply(to.address))
    monkeypatch.setattr("servers.factory.build_channel", lambda server, **_: channel)
    for _ in range(40):
        flow.send(server, clock)
        withheld.sweep(now=clock.now())
        clock.pass_time(timedelta(minutes=7))
    failed = Delivery.objects.filter(state="failed", reason_code="policy").count()
    assert failed <= HANDFUL
