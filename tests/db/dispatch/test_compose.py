"""What the texts of claims are made from."""

import pytest
from django.db import connection

from devices.models import Device, Person
from dispatch.models import Event
from dispatch.sending import compose
from tests.db import world
from tests.db.dispatch import flow

pytestmark = pytest.mark.django_db

TABLES = [model._meta.db_table for model in (Event, Person, Device)]


def whole_readings():
    """How often each of the tables was read as a whole in this transaction; SQLite does not count."""
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)", [TABLES])
        return dict(cursor.fetchall())


def claims_of_events(count):
    server = world.smtp_server()
    world.template()
    world.device(owner=world.person())
    for number in range(count):
        flow.post(source=f"event {number}")
    return flow.claim(server.pk)


def test_everything_that_claims_name_is_found():
    claims = claims_of_events(3)
    known = compose.sources(claims)
    assert {event.id: event.source for event in known.events.values()} == dict(
        Event.objects.values_list("id", "source")
    )
    assert set(known.events) == {claim.event_id for claim in claims}
    assert set(known.people) == {claim.person_id for claim in claims}
    assert known.devices[claims[0].device_id]["serialNumber"] == "S1"


def test_times_and_what_the_event_told_come_out_as_they_went_in():
    (claim,) = claims_of_events(1)
    stored = Event.objects.get()
    (event,) = compose.sources([claim]).events.values()
    assert (event.occurred_at, event.received_at, event.payload) == (
        stored.occurred_at,
        stored.received_at,
        stored.payload,
    )
    assert event.occurred_at.isoformat() == stored.occurred_at.isoformat()


def test_small_tables_are_read_by_their_keys_too():
    claims = claims_of_events(5)
    before = whole_readings()
    assert compose.sources(claims).events
    assert whole_readings() == before
