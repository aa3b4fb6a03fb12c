"""A filter (see devices.filters) as a query, within the scope of whoever asks.

What it names becomes parameters; no text of it becomes SQL. Groups outside of the scope are as if they were not there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from django.db.models import Case, Exists, F, FloatField, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Length, Upper
from django.db.models.lookups import Exact, GreaterThan, In, LessThan, Lookup, Regex

from devices.filters import NUMBER, Condition, Filter, Op, is_of_user, version
from devices.models import Device, InstalledApp, Person, PushToken
from devices.scope import GroupScope
from devices.values import DEVICE_NAMES, STALE_AFTER, USER_FIELDS
from foundation.sql.comparisons import Contains, EndsWith, Like, Octets, PropertyText, StartsWith
from transports.addresses import phone_number

USER_SEARCH = ("loginname", "displayname", "mail", "mobile")
DEVICE_SEARCH = ("serial", "imei", "name", "model", "phone_number")
_LOOKUPS: dict[Op, type[Lookup[Any]]] = {
    Op.IS: Exact,
    Op.IN: In,
    Op.CONTAINS: Contains,
    Op.STARTS_WITH: StartsWith,
    Op.ENDS_WITH: EndsWith,
    Op.GREATER: GreaterThan,
    Op.LESS: LessThan,
}


def devices(wanted: Filter | None, *, scope: GroupScope, now: datetime) -> QuerySet[Device]:
    """The devices in the scope that it holds for; a condition about the user never holds for a device without one."""
    rows = Device.objects.within(scope)
    return rows.filter(_joined(wanted, lambda each: _of_device(each, scope=scope, now=now))) if wanted else rows


def people(wanted: Filter | None, *, scope: GroupScope, now: datetime) -> QuerySet[Person]:
    """The users in the scope that it holds for: through one of their devices, or by what is known of them alone."""
    rows = Person.objects.within(scope)
    if wanted is None:
        return rows
    held = Device.objects.filter(_joined(wanted, lambda each: _of_device(each, scope=scope, now=now)))
    through = held.filter(person__isnull=False).order_by().values("person")
    return rows.filter(Q(pk__in=through) | _without_devices(wanted, scope=scope))


def people_without_devices(wanted: Filter, *, scope: GroupScope) -> QuerySet[Person]:
    """The users in the scope without a device, that it holds for; a condition about the device never does."""
    without = ~Exists(Device.objects.filter(person=OuterRef("pk")))
    return Person.objects.within(scope).filter(without, _without_devices(wanted, scope=scope))


def _searched(words: str, *, columns: tuple[str, ...], kept: Sequence[Combinable]) -> Q:
    """The rows with these words in one of the columns, in any case.

    Patterns that take any case are slow, so most rows are left out by what the database has `kept` in capitals: words
    in ASCII stand there too, or else there are letters beyond it, of whose capitals databases have their own ideas.
    """
    found = reduce(operator.or_, (Q(Contains(F(column), words)) for column in columns))
    if not words.isascii():
        return found
    perhaps = (Q(Like(each, words.upper())) | ~Q(Exact(Octets(each), Length(each))) for each in kept)
    return reduce(operator.or_, perhaps) & found


def searched_users(words: str) -> Q:
    """The users with these words in what people remember of them."""
    return _searched(words, columns=USER_SEARCH, kept=[F("search_text")])


def searched_devices(words: str) -> Q:
    """By what is known of them or of their users."""
    users = Person.objects.filter(searched_users(words)).order_by().values("pk")
    own = _searched(words, columns=DEVICE_SEARCH, kept=[F("search_text"), Upper("model")])
    return own | Q(person__in=users)


def named(text: str, *, number: str) -> Q:
    """The users or devices with all words of `text` in their `search_text`; or with its digits in the column `number`.

    There all letters are capitals, so that no pattern needs to take any case, which is four times slower. Databases
    disagree about capitals beyond ASCII, so words with such letters are compared in any case besides.
    """
    words = sorted(text.split(), key=len, reverse=True)  # the longest leaves the fewest rows to look at for the others
    found = reduce(operator.and_, map(_word, words))
    digits = phone_number.part(text)
    return found | Q(**{f"{number}__contains": digits}) if digits else found


def _word(word: str) -> Q:
    pieces = [Q(search_text__contains=piece.upper()) for piece in re.findall(r"[\x00-\x7f]+", word)]
    exact = [] if word.isascii() else [Q(Contains(F("search_text"), word))]
    return reduce(operator.and_, pieces + exact)


def _joined(wanted: Filter, made: Callable[[Condition], Q]) -> Q:
    return reduce(operator.and_ if wanted.every else operator.or_, map(made, wanted.conditions))


def _without_devices(wanted: Filter, *, scope: GroupScope) -> Q:
    nobody = Q(pk__in=())
    return _joined(wanted, lambda each: _of_user(each, prefix="", scope=scope) if is_of_user(each.field) else nobody)


def _of_device(condition: Condition, *, scope: GroupScope, now: datetime) -> Q:
    field, op = condition.field, condition.op
    if field == "search":
        return searched_devices(condition.value)
    if is_of_user(field):
        return Q(person__isnull=False) & _of_user(condition, prefix="person__", scope=scope)
    if field == "app":
        found = InstalledApp.objects.all() if op is Op.IS_SET else InstalledApp.objects.filter(_named(condition))
        return _signed(Q(pk__in=found.values("device")), condition)
    if field.startswith("inactive_"):
        return _inactive(condition, now=now)
    if field == "os_version" and op in {Op.GREATER, Op.LESS}:
        return Q(os_version__in=_versions(condition))
    return _push(condition, now=now) if field == "push" else _compared(_device_value(field), condition)


def _of_user(condition: Condition, *, prefix: str, scope: GroupScope) -> Q:
    if condition.field == "search":
        return searched_users(condition.value)
    if condition.field == "group":
        members = Person.groups.through.objects.all()
        if scope.groups is not None:
            members = members.filter(group__in=sorted(scope.groups))
        if condition.op is not Op.IS_SET:
            members = members.filter(_named(condition, column="group__name"))
        return _signed(Q(**{f"{prefix}pk__in": members.values("person")}), condition)
    name = condition.field.removeprefix("user.")
    value = F(f"{prefix}{name}") if name in USER_FIELDS else _property(f"{prefix}properties", name)
    return _compared(value, condition)


def _device_value(field: str) -> Combinable:
    if not field.startswith("device."):
        return F(field)
    name = field.removeprefix("device.")
    return F(DEVICE_NAMES[name]) if name in DEVICE_NAMES else _property("properties", name)


def _property(column: str, name: str) -> Combinable:
    return Coalesce(Cast(PropertyText(name, column), TextField()), Value(""), output_field=TextField())


def _compared(value: Combinable, condition: Condition) -> Q:
    """Texts are compared as they are, parts of them in any case, sizes as numbers."""
    op = condition.op
    if op is Op.IS_SET:
        return _signed(~Q(Exact(value, "")), condition)
    if op in {Op.GREATER, Op.LESS}:
        value = Case(When(Regex(value, NUMBER), then=Cast(value, FloatField())))
    return _signed(Q(_LOOKUPS[Op.IS if op is Op.IS_NOT else op](value, _listed(condition.value))), condition)


def _named(condition: Condition, *, column: str = "name") -> Q:
    op = Op.IS if condition.op is Op.IS_NOT else condition.op
    return Q(_LOOKUPS[op](F(column), _listed(condition.value)))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _signed(found: Q, condition: Condition) -> Q:
    """The opposite for `is_not`, and for `is_set` with false."""
    return ~found if condition.op is Op.IS_NOT or (condition.op is Op.IS_SET and not condition.value) else found


def _inactive(condition: Condition, *, now: datetime) -> Q:
    """How long ago the device was last seen; one that never was has no such time."""
    if condition.op is Op.IS_SET:
        return Q(last_access__isnull=not condition.value)
    edge = now - timedelta(**{condition.field.removeprefix("inactive_"): condition.value})
    match condition.op:
        case Op.GREATER:
            return Q(last_access__lt=edge)
        case Op.LESS:
            return Q(last_access__gt=edge)
    on_the_day = Q(last_access__lte=edge, last_access__gt=edge - timedelta(days=1))
    return Q(last_access__isnull=False) & _signed(on_the_day, condition)


def _push(condition: Condition, *, now: datetime) -> Q:
    """Each device is in one of the states."""
    tokens = PushToken.objects.all()
    alive = tokens.filter(dead_at__isnull=True)
    any_of_it, living, fresh = (
        Q(pk__in=each.values("device")) for each in (tokens, alive, alive.filter(registered_at__gt=now - STALE_AFTER))
    )
    states = {"live": fresh, "stale": living & ~fresh, "off": any_of_it & ~living, "none": ~any_of_it}
    wanted = condition.value if condition.op is Op.IN else (condition.value,)
    return _signed(reduce(operator.or_, (states[each] for each in wanted)), condition)


def _versions(condition: Condition) -> list[str]:
    """The versions there are, newer or older than the one given."""
    known = Device.objects.exclude(os_version="").order_by().values_list("os_version", flat=True).distinct()
    newer = operator.gt if condition.op is Op.GREATER else operator.lt
    return [each for each in known if newer(version(each), version(condition.value))]
