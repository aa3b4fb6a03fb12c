"""What became of an event can be followed over HTTP, and deliveries be sent again or cancelled."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, Person
from dispatch.models import Attempt, Broadcast, Delivery, DeliveryText, Event, Receipt
from foundation.audit import Actor
from foundation.sql.ids import new_uid
from servers import edits
from servers.models import Server
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db
JAILBROKEN = {"type": "device.jailbroken", "device": {"serial": "S1"}}


@pytest.fixture
def posted(api, small_world):
    """An event and the key that posted it."""
    caller = api("events")
    return caller, caller.post("/events", {**JAILBROKEN, "source": "mdm"}).json()["id"]


def failed(**fields):
    now = timezone.now()
    Delivery.objects.update(
        **{
            "state": "failed",
            "reason_code": "address_unknown",
            "tries": 6,
            "attempt_count": 6,
            "server_id": None,
            **fields,
        }
    )
    row = Delivery.objects.get()
    Attempt.objects.create(
        delivery=row,
        number=6,
        started_at=now,
        duration_ms=12,
        server_name="Mail",
        outcome="rejected",
        code="address_unknown",
        reply="550",
        enhanced="5.1.1",
        detail="no such user",
    )
    return row


def test_an_event_tells_its_state_and_deliveries(posted):
    caller, event_id = posted
    returned = caller.get(f"/events/{event_id}").json()
    assert (returned["id"], returned["type"], returned["source"], returned["state"]) == (
        event_id,
        "device.jailbroken",
        "mdm",
        "accepted",
    )
    assert returned["counts"]["due"] == 1
    assert [row["recipient"] for row in returned["deliveries"]] == ["u1@example.com"]
    assert returned["next"] is None


@pytest.mark.parametrize(
    ("states", "state"),
    [(["sent"], "finished"), (["failed"], "finished"), (["due", "sent"], "in_progress"), (["held"], "in_progress")],
)
def test_the_state_of_an_event_follows_its_deliveries(api, small_world, states, state):
    caller = api("events")
    recipients = {"smtp": [f"x{number}@example.com" for number in range(len(states) - 1)]}
    event_id = caller.post("/events", {**JAILBROKEN, "recipients": recipients}).json()["id"]
    for row, wanted in zip(Delivery.objects.all(), states, strict=True):
        Delivery.objects.filter(pk=row.pk).update(state=wanted, reason_code="x", sent_at=timezone.now())
    assert caller.get(f"/events/{event_id}").json()["state"] == state


def test_more_than_100_deliveries_are_read_page_by_page(api, small_world):
    caller = api("events")
    recipients = {"smtp": [f"x{number}@example.com" for number in range(100)]}
    event_id = caller.post("/events", {**JAILBROKEN, "recipients": recipients}).json()["id"]
    returned = caller.get(f"/events/{event_id}").json()
    more = caller.get(returned["next"].removeprefix("/api/v1")).json()
    found = [row["id"] for row in returned["deliveries"] + more["deliveries"]]
    assert (len(returned["deliveries"]), len(set(found)), more["next"]) == (100, 101, None)


def test_another_key_without_read_sees_nothing_of_it(posted, api, problem):
    _, event_id = posted
    other, reader = api("events"), api("read")
    delivery = Delivery.objects.get().pk
    problem(other.get(f"/events/{event_id}"), 404)
    problem(other.get(f"/deliveries/{delivery}"), 404)
    assert other.get("/events").json()["events"] == []
    assert other.get("/deliveries").json()["deliveries"] == []
    assert reader.get(f"/events/{event_id}").status_code == 200
    assert reader.get(f"/deliveries/{delivery}").status_code == 200


def test_a_delivery_tells_every_attempt(posted):
    caller, event_id = posted
    row = failed()
    returned = caller.get(f"/deliveries/{row.pk}").json()
    assert returned["event"] == event_id
    assert returned["reason"] == {"code": "address_unknown", "detail": ""}
    assert returned["template"] == {"name": "Jailbroken", "version": 1}
    attempt = returned["attempts"][0]
    assert (attempt["number"], attempt["outcome"], attempt["enhanced_code"]) == (6, "rejected", "5.1.1")
    assert "message" not in returned


def test_the_text_is_told_with_the_scope_messages_alone(posted, api):
    text = DeliveryText.objects.create(id=Delivery.objects.get().pk, subject="Hi", text="Body", empty=["user.x"])
    Delivery.objects.update(text=text)
    path = f"/deliveries/{text.pk}"
    assert "Body" not in api("read").get(path).content.decode()
    returned = api("read", "messages").get(path).json()
    assert returned["message"] == {"subject": "Hi", "text": "Body", "html": ""}
    assert returned["empty_macros"] == ["user.x"]


@pytest.mark.parametrize("state", ["failed", "expired", "undelivered", "skipped", "held"])
def test_what_did_not_arrive_is_sent_again_in_the_same_row(posted, api, state):
    row = failed(
        state=state, expires_at=timezone.now() - timedelta(days=1), created_at=timezone.now() - timedelta(days=4)
    )
    answer = api("send").post(f"/deliveries/{row.pk}/retry")
    assert answer.status_code == 200
    returned = answer.json()
    assert (returned["id"], returned["state"], returned["attempt_count"], len(returned["attempts"])) == (
        str(row.pk),
        "due",
        6,
        1,
    )
    again = Delivery.objects.get()
    assert (again.tries, again.reason_code) == (0, "")
    assert again.expires_at - timezone.now() > timedelta(days=2)
    assert again.server_id == Server.objects.get(active=True).pk


@pytest.mark.django_db(transaction=True)
def test_sending_again_wakes_a_worker(api, small_world, wake_ups):
    api("events").post("/events", JAILBROKEN)
    row = failed()
    wake_ups.clear()
    api("send").post(f"/deliveries/{row.pk}/retry")
    assert wake_ups == [Server.objects.get(active=True).pk]


def test_without_an_active_server_it_waits_and_says_so(posted, api):
    row = failed()
    Server.objects.update(active=False)
    returned = api("send").post(f"/deliveries/{row.pk}/retry").json()
    assert (returned["state"], returned["reason"]["code"]) == ("due", "no_active_server")


@pytest.mark.parametrize("state", ["due", "sent", "delivered", "cancelled"])
def test_what_waits_or_arrived_is_not_sent_again(posted, api, problem, state):
    row = failed(state=state, sent_at=timezone.now())
    problem(api("send").post(f"/deliveries/{row.pk}/retry"), 409, "state")
    assert Delivery.objects.get().state == state


def test_what_has_no_address_is_not_sent_again(api, small_world, problem):
    Person.objects.update(mail="")
    api("events").post("/events", JAILBROKEN)
    problem(api("send").post(f"/deliveries/{Delivery.objects.get().pk}/retry"), 409, "state")


@pytest.mark.parametrize("state", ["due", "paused", "held"])
def test_what_waits_is_called_off(posted, api, state):
    row = failed(state=state)
    returned = api("send").post(f"/deliveries/{row.pk}/cancel").json()
    assert (returned["state"], returned["reason"]["code"]) == ("cancelled", "cancelled")


@pytest.mark.parametrize("state", ["sent", "failed", "cancelled"])
def test_what_is_over_is_not_called_off(posted, api, problem, state):
    row = failed(state=state, sent_at=timezone.now())
    problem(api("send").post(f"/deliveries/{row.pk}/cancel"), 409, "state")


def test_lists_are_newest_first_filtered_and_paged(api, small_world):
    caller = api("events", "read")
    world.device(serial="S2", owner=world.person(loginname="u2", mail="u2@example.com"))
    ids = [
        caller.post("/events", {"type": "device.jailbroken", "source": source, "device": {"serial": serial}}).json()[
            "id"
        ]
        for source, serial in (("a", "S1"), ("b", "S2"), ("a", "S2"))
    ]
    first = caller.get("/events?limit=2").json()
    assert [row["id"] for row in first["events"]] == [ids[2], ids[1]]
    second = caller.get(first["next"].removeprefix("/api/v1")).json()
    assert ([row["id"] for row in second["events"]], second["next"]) == ([ids[0]], None)
    for query, wanted in (
        ("source=a", [ids[2], ids[0]]),
        ("device=S2", [ids[2], ids[1]]),
        ("user=U1", [ids[0]]),
        ("type=device.wiped", []),
        (f"until={quote('2020-01-01T00:00:00+00:00')}", []),
        (f"since={quote('2020-01-01T00:00:00+00:00')}&source=b", [ids[1]]),
    ):
        assert [row["id"] for row in caller.get(f"/events?{query}").json()["events"]] == wanted, query
    for query, wanted in (
        (f"event={ids[0]}", [ids[0]]),
        ("device=S2", [ids[2], ids[1]]),
        ("user=u1", [ids[0]]),
        ("user=U2&device=S2&limit=1", [ids[2]]),
        ("user=u1&device=S2", []),
        ("user=nobody", []),
        ("device=S9", []),
        ("recipient=u2@example.com", [ids[2], ids[1]]),
        ("state=sent", []),
        ("channel=smtp&server=Mail&limit=1", [ids[2]]),
        ("server=Other", []),
    ):
        assert [row["event"] for row in caller.get(f"/deliveries?{query}").json()["deliveries"]] == wanted, query


def test_the_deliveries_of_a_user_are_those_of_events_and_of_broadcasts_page_by_page(api, small_world):
    now, person = timezone.now(), Person.objects.get()
    of_events = [
        Delivery(event=Event.objects.create(origin="test", occurred_at=now, received_at=now, person=person))
        for _ in range(2)
    ]
    of_broadcast = Delivery(broadcast=Broadcast.objects.create(created_at=now), person=person)
    of_another = Delivery(broadcast=of_broadcast.broadcast, person=world.person(loginname="u2"))
    rows = [of_events[0], of_broadcast, of_another, of_events[1]]
    for row in rows:
        row.id, row.due_at, row.expires_at, row.created_at = new_uid(), now, now, now
        row.channel = row.server_kind = "smtp"
        row.address_kind = "mail"
    Delivery.objects.bulk_create(rows)
    caller = api("read")
    first = caller.get("/deliveries?user=u1&limit=2").json()
    assert [row["id"] for row in first["deliveries"]] == [str(of_events[1].id), str(of_broadcast.id)]
    second = caller.get(first["next"].removeprefix("/api/v1")).json()
    assert ([row["id"] for row in second["deliveries"]], second["next"]) == ([str(of_events[0].id)], None)


@pytest.mark.parametrize("query", ["user=u1", "device=S1"])
def test_the_deliveries_of_a_user_or_device_are_found_by_an_index(api, small_world, query):
    now = timezone.now()
    events = [Event(origin="test", occurred_at=now, received_at=now) for _ in range(3_000)]
    Event.objects.bulk_create(events)
    common = {"channel": "smtp", "server_kind": "smtp", "address_kind": "mail", "due_at": now, "created_at": now}
    Delivery.objects.bulk_create(Delivery(event=event, expires_at=now, **common) for event in events)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        with CaptureQueriesContext(connection) as seen:
            assert api("read").get(f"/deliveries?{query}").json()["deliveries"] == []
        selects = [each["sql"] for each in seen if 'FROM "dispatch_delivery"' in each["sql"]]
        indexes = ("delivery_event", "_broadcast")
        assert len(selects) == len(indexes)
        for sql, index in zip(selects, indexes, strict=True):
            cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {sql}")
            assert index in str(cursor.fetchall())


def test_ping_tells_the_name_and_scopes_of_the_key(api):
    assert api("read", "events").get("/ping").json() == {"name": "key 1", "scopes": ["events", "read"]}


def test_a_deleted_device_leaves_its_events(posted):
    caller, event_id = posted
    Device.objects.all().delete()
    assert caller.get(f"/events/{event_id}").status_code == 200
    assert Event.objects.get().device_id is None


def test_a_delivery_tells_what_the_sms_service_told_of_each_part(posted):
    caller, _ = posted
    row = Delivery.objects.get()
    common = {"delivery": row, "received_at": timezone.now()}
    Receipt.objects.create(part="A1", status="delivered", delivered=True, code="0", **common)
    Receipt.objects.create(
        part="A2", status="failed", delivered=False, code="3", reason_code="number_unreachable", detail="gone", **common
    )
    first, second = caller.get(f"/deliveries/{row.pk}").json()["receipts"]
    assert (first["part"], first["status"], first["code"], first["reason"]) == ("A1", "delivered", "0", None)
    assert (second["status"], second["reason"]) == ("failed", {"code": "number_unreachable", "detail": "gone"})


@pytest.mark.parametrize(
    ("state", "code", "withheld"),
    [("held", "refused_alike", True), ("held", "no_answer", False), ("due", "refused_alike", False)],
)
def test_a_delivery_says_whether_it_is_withheld(api, small_world, state, code, withheld):
    (pk,) = flow.deliveries(1, server_id=Server.objects.get().pk)
    Delivery.objects.filter(pk=pk).update(state=state, reason_code=code)
    caller = api()
    assert [row["withheld"] for row in caller.get("/deliveries").json()["deliveries"]] == [withheld]
    assert caller.get(f"/deliveries/{pk}").json()["withheld"] is withheld


def test_a_delivery_keeps_the_name_of_its_deleted_server(api, small_world):
    old = world.smtp_server(name="Old relay", active=False)
    (pk,) = flow.deliveries(1, server_id=old.pk)
    edits.delete(old.pk, actor=Actor("test"))
    assert api().get(f"/deliveries/{pk}").json()["server"] == "Old relay"
