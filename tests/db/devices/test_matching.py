"""A filter holds in memory for the very devices and users that a database finds by it."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices import edits, matching, queries, selection
from devices.fields import FieldError
from devices.filters import LARGEST, Op, parse
from devices.matching import Facts
from devices.models import Device, Person, PushToken
from devices.scope import EVERYBODY
from devices.values import DEVICE_NAMES, FLAGS, PUSH_STATES, STALE_AFTER, USER_FIELDS
from tests.db.world import NOW

SIGNS = "aAbBzZ019 .-%_*?[]^$\\|+(){}'\""  # with meaning to patterns
SIGNS += "ßäÄé\u0131I\u017fsSµ\u039c\u03bc\u03a3\u03c3\u03c2\u0131D\u017e\u0434\u0414aA\n"  # with odd capitals
NAMES = ("ROOM", "a.b", "a__b", "x-y", "serialNumber", "osVersion", "mail")
TEXTS = st.one_of(
    st.text(st.sampled_from(SIGNS), min_size=1, max_size=3),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=3),
    st.sampled_from(
        ["true", "null", "0", "1", "-1", "1.0", "2.50", "2.5", "1e3", " 1", "1\n", "+1", "01", "Straße", "STRASSE"]
    ),
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(10**19), 10**19),
    st.sampled_from([0.5, -0.0, 1.0, 2.5, 1e-7, 1e16, 1.5e300, 0.1 + 0.2]),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none(), st.just(""))
PROPERTIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
MOMENTS = st.one_of(
    st.none(),
    st.builds(
        lambda days, microseconds: NOW - timedelta(days=days, microseconds=microseconds),
        st.integers(-2, 5),
        st.sampled_from([-1, 0, 1, 43_200_000_000]),
    ),
)
TOKENS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["apns", "fcm"]),
        "registered_at": st.sampled_from([NOW, NOW - STALE_AFTER, NOW - STALE_AFTER + timedelta(microseconds=1)]),
        "dead_at": st.sampled_from([None, NOW]),
    }
)
VERSIONS = st.sampled_from(["", "17.9", "17.10", "17.10.0", "26", "v2", "beta"])


def lines(most=6):
    return TEXTS.filter(lambda text: text.strip() == text and text.isprintable() and len(text) <= most)


PEOPLE = st.fixed_dictionaries(
    {"properties": PROPERTIES, "groups": st.lists(lines(), max_size=3)},
    optional={"displayname": lines(), "mail": TEXTS, "mobile": TEXTS, "language": st.sampled_from(["de", "pt-BR"])},
)
DEVICES = st.fixed_dictionaries(
    {"properties": PROPERTIES, "apps": st.lists(lines(), max_size=3), "last_access": MOMENTS, "os_version": VERSIONS},
    optional={
        "platform": st.sampled_from(["iOS", "ANDROID"]),
        "ownership": st.sampled_from(["corporate", "byod", "unknown"]),
        "model": lines(),
        "name": lines(),
        "carrier": lines(),
        "phone_number": TEXTS,
        "tokens": st.lists(TOKENS, max_size=2, unique_by=lambda token: token["kind"]),
        **dict.fromkeys(FLAGS, st.booleans()),
    },
)
WANTED = TEXTS.filter(bool)
DAYS = st.integers(0, 4)
ORDER = [Op.GREATER.value, Op.LESS.value]
PARTS = [Op.CONTAINS.value, Op.STARTS_WITH.value, Op.ENDS_WITH.value]
EXACT = [Op.IS.value, Op.IS_NOT.value]


def conditions(names, ops, values):
    return st.fixed_dictionaries({"field": st.sampled_from(names), "op": st.sampled_from(ops), "value": values})


def of(names, values, *, parts=()):
    return st.one_of(
        conditions(names, [*EXACT, *parts], values),
        conditions(names, ["in"], st.lists(values, min_size=1, max_size=3)),
        conditions(names, ["is_set"], st.booleans()),
    )


NAMED = [*(f"device.{name}" for name in (*NAMES, *DEVICE_NAMES)), *(f"user.{name}" for name in (*NAMES, *USER_FIELDS))]
CONDITIONS = st.one_of(
    of(["platform"], st.sampled_from(["iOS", "ANDROID", "WINDOWS"])),
    of(["ownership"], st.sampled_from(["corporate", "byod", "unknown"])),
    of(["os_version"], VERSIONS.filter(bool), parts=[*PARTS, *ORDER]),
    of(["carrier", "group", "app"], WANTED, parts=PARTS),
    conditions(FLAGS, EXACT, st.booleans()),
    conditions(["inactive_days"], [*EXACT, *ORDER], DAYS),
    conditions(["inactive_days"], ["is_set"], st.booleans()),
    conditions(["inactive_hours"], ORDER, st.integers(0, 100)),
    conditions(["push"], EXACT, st.sampled_from(PUSH_STATES)),
    conditions(["push"], ["in"], st.lists(st.sampled_from(PUSH_STATES), min_size=1, max_size=3)),
    conditions(["search"], ["contains"], WANTED),
    of(NAMED, st.one_of(WANTED, NUMBERS.filter(lambda number: abs(number) < LARGEST), st.booleans()), parts=PARTS),
    conditions(NAMED, ORDER, NUMBERS.filter(lambda number: abs(number) < LARGEST)),
)
FILTERS = st.builds(
    lambda joined, each: parse({joined: each}),
    st.sampled_from(["all", "any"]),
    st.lists(CONDITIONS, min_size=1, max_size=2),
)


def store(people, devices):
    """Through the edits, as everything comes in; what they refuse is not there."""
    for number, fields in enumerate(people):
        with suppress(FieldError):
            edits.save_user("loginname", f"U{number}", fields, scope=EVERYBODY, country="DE")
    for number, fields in enumerate(devices):
        owner = {"user": f"U{number}"} if Person.objects.filter(loginname=f"U{number}").exists() else {}
        with suppress(FieldError):
            given = {name: value for name, value in fields.items() if name != "tokens"} | owner
            row = edits.save_device("serial", f"D{number}", given, scope=EVERYBODY, country="DE", now=NOW).row
            PushToken.objects.bulk_create(
                PushToken(device=row, token="00", **token) for token in fields.get("tokens", ())
            )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "op", "wanted", "held"),
    [
        ("MÜLLER", "contains", "müll", True),
        ("müller", "ends_with", "ÜLLER", True),
        ("Straße", "contains", "STRASSE", False),
        ("\u017falt", "starts_with", "S", True),
        ("\u0416\u0423\u041a", "contains", "\u0436\u0443", True),
        ("aXb", "contains", "?", False),
        ("a?b", "contains", "?", True),
        ("a[b", "contains", "[B", True),
        ("a]b", "contains", "]b", True),
        ("a*b", "contains", "**", False),
        ("a.b", "contains", "x", False),
        ("a\\b", "contains", "\\B", True),
        ("a\n", "ends_with", "a", False),
        ("a\nb", "contains", "\nB", True),
        ("a^$", "ends_with", "^$", True),
        ("A", "is", "a", False),
        ("12\n", "greater", 1, False),
        (" 12", "greater", 1, False),
        ("-1.5", "less", -1, True),
        ("1e3", "greater", 1, False),
        (True, "is", True, True),
        (True, "contains", "RUE", True),
        (1, "is", True, False),
        (1, "is", "1", True),
        (1.0, "is", 1, False),
        (1.0, "is", "1.0", True),
        (-0.0, "is", 0.0, True),
        (1e16, "is", "10000000000000000", True),
        (1e-7, "is", 1e-7, True),
        (1e-7, "less", 1, True),
        (0.1 + 0.2, "is", "0.30000000000000004", True),
        (0.1 + 0.2, "is", "0.3", False),
        (10**19 + 1, "is", "10000000000000000001", True),
        (10**19 + 1, "contains", "1", True),
        ("", "is_set", False, True),
        (None, "is_set", False, True),
        (None, "is_not", "x", True),
        ("", "is_not", "x", True),
        (None, "less", 5, False),
        ("null", "is_set", True, True),
    ],
)
def test_what_databases_take_differently_by_themselves(stored, op, wanted, held):
    row = edits.save_device("serial", "D1", {"properties": {"ROOM": stored}}, scope=EVERYBODY, country="", now=NOW).row
    one = parse({"all": [{"field": "device.ROOM", "op": op, "value": wanted}]})
    assert matching.holds(one, queries.facts(Device.objects.get(pk=row.pk)), now=NOW) is held
    assert selection.devices(one, scope=EVERYBODY, now=NOW).exists() is held


@pytest.mark.django_db
@pytest.mark.parametrize("moment", [timedelta(microseconds=number) for number in (-1, 0, 1)])
@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize("op", ["is", "is_not", "greater", "less"])
def test_the_edges_of_a_day(moment, days, op):
    row = edits.save_device(
        "serial", "D1", {"last_access": NOW - timedelta(days=2) + moment}, scope=EVERYBODY, country="", now=NOW
    ).row
    one = parse({"all": [{"field": "inactive_days", "op": op, "value": days}]})
    assert matching.holds(one, queries.facts(row), now=NOW) is selection.devices(one, scope=EVERYBODY, now=NOW).exists()


class Filters(TestCase):
    @settings(max_examples=30)
    @given(
        st.lists(PEOPLE, max_size=3),
        st.lists(DEVICES, min_size=1, max_size=4),
        st.lists(FILTERS, min_size=10, max_size=30),
    )
    def test_the_same_devices_and_users_in_memory_and_in_the_database(self, people, devices, filters):
        store(people, devices)
        rows = list(Device.objects.select_related("person"))
        alone = list(Person.objects.filter(devices=None))
        for wanted in filters:
            held = {row.serial for row in rows if matching.holds(wanted, queries.facts(row), now=NOW)}
            assert held == set(selection.devices(wanted, scope=EVERYBODY, now=NOW).values_list("serial", flat=True)), (
                wanted
            )
            held = {
                row.loginname
                for row in alone
                if matching.holds(wanted, Facts(user=queries.facts_of_user(row)), now=NOW)
            }
            found = selection.people_without_devices(wanted, scope=EVERYBODY).values_list("loginname", flat=True)
            assert held == set(found), wanted
