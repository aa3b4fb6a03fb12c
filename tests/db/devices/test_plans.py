"""Devices, users and events are found by the indexes of their keys, whatever the key and however many there are."""

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from devices import edits, queries
from devices.models import Device, Group, Person, keyed
from devices.scope import EVERYBODY, GroupScope
from dispatch.intake import accept
from dispatch.models import Event
from tests.db.world import NOW

pytestmark = pytest.mark.django_db
MANY = 3_000


@pytest.fixture
def many():
    """Enough devices, users and events, counted, that no way to one of them is as good as the index of its key."""
    Device.objects.bulk_create(Device(serial=f"S{number}", imei=f"{number:015}", model="M") for number in range(MANY))
    Person.objects.bulk_create(Person(loginname=f"User{number}") for number in range(MANY))
    Event.objects.bulk_create(
        Event(origin="test", type="many", occurred_at=NOW, received_at=NOW, idempotency_key=f"key {number}")
        for number in range(MANY)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.fixture
def explain(many):
    """How a statement is carried out for any values."""

    def plan(statement, values=()):
        with connection.cursor() as cursor:
            if connection.vendor != "postgresql":
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values or None)
                return str(cursor.fetchall())
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            first, *others = statement.split("%s")
            numbered = first + "".join(f"${number}{rest}" for number, rest in enumerate(others, start=1))
            cursor.execute(f"PREPARE statement AS {numbered}")
            given = f"({', '.join(['%s'] * len(values))})" if values else ""
            cursor.execute(f"EXPLAIN EXECUTE statement{given}", values or None)
            found = str(cursor.fetchall())
            cursor.execute("DEALLOCATE statement")
            return found

    return plan


@pytest.mark.parametrize(("name", "index"), [("serial", "serial_unique"), ("imei", "device_imei")])
def test_a_device_is_found_by_the_index_of_its_key(explain, name, index):
    statement = next(queries.find_devices({(name, "A")}, scope=EVERYBODY))
    assert index in explain(statement.text, statement.values)
    with CaptureQueriesContext(connection) as seen:
        Device.objects.filter(keyed(name, "A")).first()
    assert index in explain(seen[0]["sql"])


def test_a_user_is_found_by_the_index_of_the_login_name_whatever_its_case(explain):
    statement = next(queries.find_people({("loginname", "USER7")}, scope=EVERYBODY))
    assert "loginname_unique" in explain(statement.text, statement.values)
    with CaptureQueriesContext(connection) as seen:
        saved = edits.save_user("loginname", "USER7", {"displayname": "Seven"}, scope=EVERYBODY, country="")
    assert saved.row.loginname == "User7"
    sql = next(each["sql"] for each in seen if each["sql"].startswith("SELECT") and "devices_person" in each["sql"])
    assert "loginname_unique" in explain(sql)


def test_the_first_answer_to_an_idempotency_key_is_found_by_its_index(explain):
    posted = accept.Posted(accept.EventIn(type="device.eaten", occurred_at=NOW), "key", "hash")
    with CaptureQueriesContext(connection) as seen:
        accept.accept_all([posted], origin="test", now=NOW)
    (sql,) = [each["sql"] for each in seen if "idempotency_key" in each["sql"]]
    assert "idempotency_key_once_an_origin" in explain(sql)


@pytest.mark.parametrize("model", [Device, Person])
def test_those_of_a_small_group_are_found_by_indexes(many, model):
    people = list(Person.objects.order_by("pk"))
    Device.objects.update(person=F("pk") + (people[0].pk - Device.objects.order_by("pk").first().pk))
    group, other = Group.objects.create(name="Sales"), Group.objects.create(name="Board")
    member = Person.groups.through
    member.objects.bulk_create(member(person=each, group=other) for each in people)
    member.objects.bulk_create(member(person=each, group=group) for each in people[::500])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    rows = model.objects.within(GroupScope(frozenset({group.pk}))).order_by("pk")[:50]
    assert len(rows) == 6
    plan, table = rows.explain(), model._meta.db_table
    assert f"Seq Scan on {table}" not in plan
    assert "SCAN" not in plan  # as SQLite says it
