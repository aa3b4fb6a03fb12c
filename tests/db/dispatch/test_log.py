"""The delivery log: what its filters find, how its pages hang together, what may be done from it."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from api.models import ApiKey, Webhook
from devices.scope import EVERYBODY
from dispatch.log import reasons, search
from dispatch.log.forms import LogFilter, wanted
from dispatch.log.search import Wanted
from dispatch.models import Attempt, Delivery, Event
from foundation.audit import Actor
from foundation.models import AuditEntry
from foundation.sql.ids import moment_of, new_uid
from servers import edits
from servers.models import Server
from tests.db import world
from tests.db.dispatch import flow
from transports.types import AddressKind, ReasonCode, Recipient

pytestmark = pytest.mark.django_db
LOG = "/log/"


@pytest.fixture
def server():
    return world.smtp_server()


@pytest.fixture
def auditor(client):
    user = get_user_model().objects.create_user("auditor", is_staff=True)
    user.groups.add(Group.objects.get(name="Auditor"))
    client.force_login(user)
    return client


def fail(*ids):
    Delivery.objects.filter(pk__in=ids).update(state="failed", reason_code="address_unknown", reason_detail="550 no")


def do_with_all(client, do, query):
    """To all that match, the question answered with yes."""
    asked = client.post(f"{LOG}bulk/", {"do": do, "scope": "all", "query": query})
    return client.post(f"{LOG}bulk/", asked.context["fields"], follow=True)


def all_pages(wanted, *, size=3):
    found, after = [], None
    while True:
        page = search.page(wanted, scope=EVERYBODY, after=after, size=size)
        found += [row.pk for row in page.rows]
        after = page.after
        if after is None:
            return found


@pytest.mark.parametrize("slice_size", [1, 2, 5, 1000])
def test_pages_have_every_delivery_once_newest_first_whatever_the_slice(server, monkeypatch, slice_size):
    monkeypatch.setattr(search, "SLICE", slice_size)
    ids = flow.deliveries(7, server_id=server.pk)
    assert all_pages(Wanted()) == ids[::-1]
    assert all_pages(Wanted(channel="smtp")) == ids[::-1]
    assert all_pages(Wanted(recipient="user3@example.com")) == [ids[3]]
    assert all_pages(Wanted(channel="sms")) == []


def test_a_search_that_stopped_says_how_far_it_came(server, monkeypatch):
    monkeypatch.setattr(search, "SLICE", 2)
    flow.deliveries(5, server_id=server.pk)
    page = search.page(Wanted(recipient="user0@example.com"), scope=EVERYBODY)
    assert page.rows == ()
    assert page.searched_to is not None


def test_filters_find_what_they_name(server):
    ids = flow.deliveries(4, server_id=server.pk)
    fail(ids[1])
    version = world.template().current
    Delivery.objects.filter(pk=ids[2]).update(template_version=version, server_id=None)
    event_id = Delivery.objects.get(pk=ids[0]).event_id
    other = flow.deliveries(1, server_id=server.pk)
    assert all_pages(Wanted(states=frozenset({"failed"}))) == [ids[1]]
    assert all_pages(Wanted(template_id=version.template_id)) == [ids[2]]
    assert all_pages(Wanted(server_id=server.pk)) == [*other, ids[3], ids[1], ids[0]]
    assert all_pages(Wanted(event_id=event_id)) == ids[::-1]


def test_time_bounds_are_those_of_acceptance(server):
    old, new = flow.deliveries(2, server_id=server.pk)
    made = moment_of(new)
    assert all_pages(Wanted(since=made + timedelta(seconds=1))) == []
    assert all_pages(Wanted(until=made + timedelta(seconds=1))) == [new, old]
    assert all_pages(Wanted(until=moment_of(old) - timedelta(seconds=1))) == []


def test_the_filter_within_is_that_many_hours_or_the_later_day():
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    given = LogFilter({"within": "24"}).given()
    assert wanted(given, now=now).since == now - timedelta(hours=24)
    day = {"since": date(2026, 11, 22)}
    assert wanted({**given, **day}, now=now).since == wanted(day, now=now).since
    assert wanted(LogFilter({"within": "25"}).given(), now=now).since is None


PARTS = (
    *("u1", "U1", "u1@example.com", "@EXAMPLE.com", "müller", "MÜLLER", "anna mü", "müller, a"),
    *("S1", "s1", "Anna's i", "3512"),
    *("+4917012345", "+49 (0)170 123-45", "0170/12345", "0049 170 12 34 5", "7012"),
)


@pytest.mark.parametrize("key", PARTS)
def test_a_user_is_found_by_any_part_of_name_login_mail_number_or_device_and_by_no_other(server, key):
    person = world.person(mobile="+4917012345", displayname="Müller, Anna")
    device = world.device(owner=person, name="Anna's iPhone", imei="351234567890123")
    other = world.person(loginname="u2", mail="u2@example.org", displayname="Other")
    ids = []
    for who, what in ((person, device), (other, None)):
        event = flow.event(person=who, device=what)
        row = flow.planned(1, event_id=event.pk, server_id=server.pk, to=Recipient(AddressKind.MAIL, "x@far.test"))
        flow.store.add([row], now=world.NOW)
        ids.append(row.id)
    assert all_pages(Wanted(recipient=key)) == [ids[0]]


@pytest.mark.parametrize("slice_size", [1, 3, 1000])
def test_messages_to_those_found_and_to_addresses_like_theirs_all_come_once(server, monkeypatch, slice_size):
    monkeypatch.setattr(search, "SLICE", slice_size)
    event = flow.event(person=world.person(loginname="user0", mail=""))
    own = [flow.planned(9, event_id=event.pk, server_id=server.pk) for _ in range(3)]
    flow.store.add(own, now=world.NOW)
    ids = [row.id for row in own] + flow.deliveries(7, server_id=server.pk) + flow.deliveries(2, server_id=server.pk)
    fitting = [*ids[:3], ids[3], ids[10]]
    sought = Wanted(recipient="user0")
    assert [row.pk for rows in search.pages(sought, scope=EVERYBODY) for row in rows] == fitting[::-1]
    first = search.page(sought, scope=EVERYBODY, size=20)
    assert {row.pk for row in first.rows} >= set(fitting[:3]), "those of the user are there, however far back"
    assert bool(first.searched_to) == (slice_size < 1000)


def test_more_users_than_whose_events_are_looked_up_are_found_too(server, monkeypatch):
    monkeypatch.setattr("dispatch.log.subjects.MOST", 1)
    ids = []
    for number in range(3):
        event = flow.event(person=world.person(loginname=f"anna{number}", mail=""))
        row = flow.planned(number, event_id=event.pk, server_id=server.pk)
        flow.store.add([row], now=world.NOW)
        ids.append(row.id)
    flow.deliveries(1, server_id=server.pk)
    assert all_pages(Wanted(recipient="anna")) == ids[::-1]


def test_what_was_searched_in_vain_is_said_with_those_who_were_found(server, admin_client):
    flow.deliveries(1, server_id=server.pk)
    person = world.person(loginname="carla", displayname="Carla Ruiz", mobile="+34612345678")
    page = admin_client.get(f"{LOG}?recipient=0612+345&state=failed").content.decode()
    for words in ("“0612 345” was searched for in login names", "in any spelling: 612345", "State: Failed"):
        assert words in page
    assert f'<a href="{reverse("user", args=[person.pk])}">Carla Ruiz</a>' in page


def test_the_pages_of_users_and_devices_show_theirs_and_lead_to_them_alone(server, admin_client, monkeypatch):
    monkeypatch.setattr(search, "PAGE_SIZE", 1)
    people = [world.person(loginname=name, mail="") for name in ("u1", "u10")]
    for person in people:
        event = flow.event(person=person)
        flow.store.add([flow.planned(0, event_id=event.pk, server_id=server.pk)], now=world.NOW)
    assert len(all_pages(Wanted(person_id=people[0].pk))) == 1
    assert len(admin_client.get(f"{LOG}?user={people[0].pk}").context["rows"]) == 1
    assert len(admin_client.get(f"{LOG}?user={people[0].pk}&recipient=u1").context["rows"]) == 2


def test_the_name_of_a_deleted_server_stays_and_can_be_filtered_by(server, admin_client):
    world.smtp_server(name="Old relay", active=False)
    old = Server.objects.get(name="Old relay")
    ids = flow.deliveries(1, server_id=old.pk)
    flow.deliveries(1, server_id=server.pk)
    edits.delete(old.pk, actor=Actor("test"))
    shown = admin_client.get(f"{LOG}?server={old.pk}")
    assert [row.key for row in shown.context["rows"]] == [str(ids[0])]
    assert "Old relay (deleted)</small>" in shown.content.decode()
    assert "Old relay (deleted)" in admin_client.get(f"{LOG}{ids[0]}/").content.decode()


def test_why_names_the_servers_trouble_and_the_next_try(server, admin_client):
    flow.deliveries(1, server_id=server.pk)
    until = timezone.now() + timedelta(minutes=5)
    Server.objects.update(paused_until=until, trouble_code="connection_refused", trouble_detail="refused")
    page = admin_client.get(LOG).content.decode()
    assert "“Mail” is paused: Nothing listens on this port. <small>Next try <time" in page
    assert f'datetime="{until.isoformat()}"' in page


def test_all_that_match_are_counted_and_asked_about_before_anything_is_done(server, admin_client):
    ids = flow.deliveries(4, server_id=server.pk)
    fail(*ids[:3])
    Delivery.objects.filter(pk=ids[0]).update(address="")
    asked = admin_client.post(f"{LOG}bulk/", {"do": "retry", "scope": "all", "query": "state=failed"})
    assert "Send 2 deliveries again?" in asked.content.decode()
    assert "State: Failed" in asked.content.decode()
    assert flow.states() == {"failed": 3, "due": 1}
    fail(*flow.deliveries(1, server_id=server.pk))
    said = admin_client.post(f"{LOG}bulk/", asked.context["fields"], follow=True).content.decode()
    assert "2 deliveries will be sent again." in said
    assert flow.states() == {"failed": 2, "due": 3}, "what came after the count is left alone"


def test_all_that_match_when_nothing_does_is_said_and_offers_nothing(server, admin_client):
    flow.deliveries(1, server_id=server.pk)
    asked = admin_client.post(f"{LOG}bulk/", {"do": "retry", "scope": "all", "query": ""}).content.decode()
    assert "No delivery fits" in asked
    assert 'value="retry"' in asked
    assert ">Retry</button>" not in asked


def test_the_page_asks_a_fixed_small_number_of_queries(server, admin_client, django_assert_max_num_queries):
    flow.deliveries(60, server_id=server.pk)
    for query in (
        "",
        "?state=failed",
        "?channel=smtp&state=sent",
        "?recipient=u1",
        "?template=1&server=1",
        "?recipient=nobody@example.com",
    ):
        with django_assert_max_num_queries(30):
            assert admin_client.get(f"{LOG}{query}").status_code == 200


def test_what_can_not_be_read_filters_nothing(server, admin_client):
    flow.deliveries(1, server_id=server.pk)
    for query in ("state=x", "since=x", "event=x", "template=x", "server=9", "after=x", "channel=%00"):
        assert len(admin_client.get(f"{LOG}?{query}").context["rows"]) == 1, query


def test_ticked_ones_are_sent_again_if_failed_and_called_off_if_queued(server, admin_client):
    failed, queued, sent = flow.deliveries(3, server_id=server.pk)
    fail(failed)
    Delivery.objects.filter(pk=sent).update(state="sent", sent_at=world.NOW)
    everything = {"id": [failed, queued, sent]}
    admin_client.post(f"{LOG}bulk/", {**everything, "do": "retry"})
    assert flow.states() == {"due": 2, "sent": 1}
    admin_client.post(f"{LOG}bulk/", {**everything, "do": "cancel"})
    assert flow.states() == {"cancelled": 2, "sent": 1}


def test_all_that_match_a_filter_are_sent_again_and_no_other(server, admin_client, wake_ups):
    ids = flow.deliveries(6, server_id=server.pk)
    fail(*ids[:4])
    Delivery.objects.filter(pk=ids[0]).update(address="other@example.com")
    Delivery.objects.filter(pk=ids[1]).update(state="held")
    query = "state=trouble"
    before = Delivery.objects.get(pk=ids[2])
    do_with_all(admin_client, "retry", query)
    assert flow.states() == {"due": 5, "held": 1}
    after = Delivery.objects.get(pk=ids[2])
    assert after.expires_at - after.due_at == before.expires_at - before.created_at
    assert (after.reason_code, after.server_id) == ("", server.pk)


def test_a_skipped_delivery_without_an_address_is_not_sent_again(server, admin_client):
    (skipped,) = flow.deliveries(1, server_id=server.pk)
    Delivery.objects.filter(pk=skipped).update(state="skipped", reason_code="no_address", address="")
    admin_client.post(f"{LOG}bulk/", {"do": "retry", "id": [skipped]})
    assert flow.states() == {"skipped": 1}
    assert b"Send again" not in admin_client.get(f"{LOG}{skipped}/").content


def test_the_page_of_a_delivery_tells_each_try_and_why_the_next(server, admin_client, clock, channel):
    world.device(owner=world.person())
    world.template()
    flow.post()
    channel.answer = lambda wire, recipient: flow.GREYLISTED
    flow.send(server, clock)
    page = admin_client.get(f"{LOG}{Delivery.objects.get().pk}/").content.decode()
    for words in (
        "Try 1",
        "The server asked us to come back later.",
        "450 4.7.1 come back later",
        "next try 2026-11-22 12:01:",
        "so that not all come at once",
        "your iPhone 15 is jailbroken",
        "Dialogue with the server",
    ):
        assert words in page


def test_an_auditor_sees_the_delivery_but_not_its_message(server, auditor, clock, channel):
    world.device(owner=world.person())
    world.template(html="<b>secret body</b>")
    flow.post()
    flow.send(server, clock)
    row = Delivery.objects.get()
    page = auditor.get(f"{LOG}{row.pk}/").content.decode()
    assert "does not include reading messages" in page
    assert "jailbroken." not in page
    assert auditor.get(f"{LOG}{row.pk}/html/").status_code == 403
    for path in (f"{LOG}{row.pk}/retry/", f"{LOG}{row.pk}/cancel/", f"{LOG}bulk/"):
        assert auditor.post(path, {"do": "retry"}).status_code == 403, path


def test_the_html_of_a_message_may_run_and_load_nothing(server, admin_client, clock, channel):
    world.device(owner=world.person(displayname="<script>alert(1)</script>"))
    world.template(html="<p>${user.displayname}</p>")
    flow.post()
    flow.send(server, clock)
    answer = admin_client.get(f"{LOG}{Delivery.objects.get().pk}/html/")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert b"<p>&lt;script&gt;" in answer.content


def test_one_delivery_is_sent_again_and_called_off_and_only_once(server, admin_client):
    (pk,) = flow.deliveries(1, server_id=server.pk)
    fail(pk)
    admin_client.post(f"{LOG}{pk}/retry/")
    assert flow.states() == {"due": 1}
    assert "nothing was done" in admin_client.post(f"{LOG}{pk}/retry/", follow=True).content.decode()
    admin_client.post(f"{LOG}{pk}/cancel/")
    assert flow.states() == {"cancelled": 1}


def test_a_delivery_that_never_was_has_no_page(admin_client):
    assert admin_client.get(f"{LOG}{new_uid()}/").status_code == 404


def hold(*ids, server=None):
    Delivery.objects.filter(pk__in=ids).update(state="held", reason_code="no_answer", reason_detail="lost", tries=1)
    for pk in ids:
        Attempt.objects.create(
            delivery_id=pk, number=1, started_at=world.NOW, duration_ms=5, server=server, outcome="unknown"
        )


def test_what_is_held_is_marked_as_sent_by_its_last_try_and_the_trail_tells_who(server, admin_client):
    (pk,) = flow.deliveries(1, server_id=server.pk)
    assert "Mark as sent" not in admin_client.get(f"{LOG}{pk}/").content.decode()
    hold(pk)
    assert "Mark as sent" in admin_client.get(f"{LOG}{pk}/").content.decode()
    admin_client.post(f"{LOG}{pk}/sent/")
    row = Delivery.objects.get()
    assert (row.state, row.sent_at, row.reason_code, row.reason_detail) == ("sent", world.NOW, "", "")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.before, entry.after) == ("admin", {"state": "held"}, {"state": "sent"})
    assert "nothing was done" in admin_client.post(f"{LOG}{pk}/sent/", follow=True).content.decode()
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("scope", ["ticked", "all"])
def test_many_are_marked_as_sent_if_held_and_the_trail_tells_which(server, admin_client, scope):
    ids = flow.deliveries(4, server_id=server.pk)
    hold(*ids[:2])
    fail(ids[2])
    if scope == "all":
        page = do_with_all(admin_client, "sent", "server=&state=")
    else:
        page = admin_client.post(f"{LOG}bulk/", {"do": "sent", "id": ids}, follow=True)
    page = page.content.decode()
    assert "2 deliveries were marked as sent." in page
    assert flow.states() == {"sent": 2, "failed": 1, "due": 1}
    entry = AuditEntry.objects.get()
    assert entry.object_name == "2 deliveries were marked as sent."
    assert entry.after["filter" if scope == "all" else "chosen"]


def test_many_do_nothing_when_none_fits_or_the_deed_is_unknown(server, admin_client):
    ids = flow.deliveries(1, server_id=server.pk)
    assert admin_client.post(f"{LOG}bulk/", {"do": "sent", "id": ids}).status_code == 302
    assert admin_client.post(f"{LOG}bulk/", {"do": "burn", "id": ids}).status_code == 404
    assert flow.states() == {"due": 1}
    assert not AuditEntry.objects.exists()


def test_csv_has_what_the_filter_matches_and_phone_numbers_as_they_are(server, admin_client):
    ids = flow.deliveries(3, server_id=server.pk)
    Delivery.objects.filter(pk=ids[0]).update(address_name="=HYPERLINK(1)", address="+4917012345", channel="sms")
    answer = admin_client.get(f"{LOG}deliveries.csv?channel=sms")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("\ufeffid,")
    assert ",SMS,'+4917012345,'=HYPERLINK(1)," in lines[1]
    assert ",Queued," in lines[1]


@pytest.mark.parametrize(
    ("language", "query", "sign"),
    [("de-DE,en;q=0.5", "", ";"), ("en-GB", "", ","), ("de", "separator=comma", ",")],
)
def test_csv_is_separated_as_the_readers_spreadsheet_has_it_or_as_chosen(server, admin_client, language, query, sign):
    flow.deliveries(1, server_id=server.pk)
    answer = admin_client.get(f"{LOG}deliveries.csv?{query}", headers={"accept-language": language})
    first = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()[0]
    assert first.startswith(sign.join(["id", "accepted", "state"]))


def test_csv_names_the_carrier_that_an_sms_goes_through(server, admin_client):
    ids = flow.deliveries(2, server_id=server.pk)
    Delivery.objects.filter(pk=ids[0]).update(channel="sms", via=world.carrier_gateway(carrier="O2"))
    written = b"".join(admin_client.get(f"{LOG}deliveries.csv").streaming_content).decode("utf-8-sig")
    rows = {row["id"]: row["via"] for row in csv.DictReader(io.StringIO(written))}
    assert rows == {str(ids[0]): "O2", str(ids[1]): ""}


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula_to_a_spreadsheet(server, admin_client, sign):
    (pk,) = flow.deliveries(1, server_id=server.pk)
    Delivery.objects.filter(pk=pk).update(address_name=f"{sign}1+cmd|'/c calc'!A0", reason_detail=f"550 no;{sign}1+1")
    row = next(
        csv.DictReader(
            io.StringIO(b"".join(admin_client.get(f"{LOG}deliveries.csv").streaming_content).decode("utf-8-sig"))
        )
    )
    assert row["name"].startswith(f"'{sign}")
    assert row["detail"] == f"550 no;'{sign}1+1"


def test_every_reason_has_its_sentence():
    assert set(reasons.WORDS) == {code.value for code in ReasonCode}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"origin": "key:7"}, "API key “MDM &lt;1&gt;”"),
        ({"origin": "key:8"}, "A deleted API key"),
        ({"origin": "hook:7"}, "Webhook “MDM”"),
        ({"origin": "hook:8"}, "A deleted webhook"),
        ({"origin": "console"}, "console"),
        ({"origin": "key:7", "source": "MDM itself"}, "MDM itself"),
    ],
)
def test_the_page_of_a_delivery_names_who_posted_its_event(server, admin_client, fields, words):
    (one,) = flow.deliveries(1, server_id=server.pk)
    ApiKey.objects.create(pk=7, name="MDM <1>", lookup="a" * 8)
    Webhook.objects.create(pk=7, name="MDM")
    Event.objects.update(**fields)
    page = admin_client.get(f"{LOG}{one}/").content.decode()
    source = page.partition("<dt>Source</dt>")[2].partition("</dd>")[0].partition("<dd>")[2]
    assert source.strip() == words
