"""The delivery log: filters, and pages that stay quick however many deliveries there are.

Filters without an index look at a limited number of deliveries at a time, the newest first, and say how far they came;
those with one (trouble, an event, a person, a device) reach back to the beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from msgspec import Struct, structs

from devices.models import Device, Person, folded, keyed
from devices.scope import GroupScope
from dispatch.models import Delivery, DeliveryQuerySet, Event
from dispatch.rules.states import RARE
from foundation.sql.ids import first_id, moment_of
from templates_app.models import TemplateVersion
from transports.addresses import mail_address

PAGE_SIZE = 50
SLICE = 25_000
"""How many deliveries a filter without an index looks at before it says how far it came."""

_FIRST_LOOK = 25  # most filters fill a page within this part of a slice

MOST_SUBJECTS = 50
MOST_FEW = 300
"""More users than these have a delivery in most slices."""
_COLUMNS = (
    "id",
    "event_id",
    "broadcast_id",
    "template_version_id",
    "channel",
    "server_id",
    "via_id",
    "address",
    "address_name",
    "state",
    "due_at",
    "created_at",
    "sent_at",
    "attempt_count",
    "reason_code",
    "reason_detail",
)


class Wanted(Struct, frozen=True):
    """A filter; what is empty filters nothing. `since` is inclusive, `until` exclusive, both by time of acceptance.

    `recipient` is a login name, serial number, IMEI, mail address or phone number of a known user or device; else it is
    an address that was written to, the case of its domain not counting.
    """

    since: datetime | None = None
    until: datetime | None = None
    channel: str = ""
    states: frozenset[str] = frozenset()
    template_id: int | None = None
    server_id: int | None = None
    event_id: UUID | None = None
    recipient: str = ""


class Page(Struct, frozen=True):
    """Deliveries, the newest first. `after` is where the next page begins, None at the end.

    `searched_to` is set when the page is short because the search stopped there.
    """

    rows: tuple[Delivery, ...]
    after: UUID | None
    searched_to: datetime | None = None


def page(wanted: Wanted, *, scope: GroupScope, after: UUID | None = None, size: int = PAGE_SIZE) -> Page:
    """The deliveries in the scope that come after this one."""
    rows = _bounded(wanted, after=after).within(scope)
    if wanted.recipient:
        people, devices = _people(wanted.recipient), _devices(wanted.recipient)
        if people or devices:
            return _paged(_of_subjects(rows, people=people, devices=devices, size=size), size=size)
        return _sliced(rows.filter(address=written_to(wanted.recipient)), wanted=wanted, after=after, size=size)
    if (few := those_of(scope)) is not None:
        return _paged(_of_subjects(rows, people=few, devices=(), size=size), size=size)
    if wanted.event_id or (_is_indexed(wanted) and not scope.is_limited):
        return _paged(list(rows[: size + 1]), size=size)
    return _sliced(rows, wanted=wanted, after=after, size=size)


def pages(wanted: Wanted, *, scope: GroupScope, most: int) -> Iterator[tuple[Delivery, ...]]:
    """Everything in the scope that matches, in chunks, at most so many deliveries."""
    after, returned = None, 0
    while returned < most:
        found = page(wanted, scope=scope, after=after, size=min(1000, most - returned))
        yield found.rows
        returned += len(found.rows)
        after = found.after
        if after is None:
            return


def those_of(scope: GroupScope) -> list[int] | None:
    """The users of a scope, if they are so few that their deliveries are found through them; None for many."""
    if not scope.is_limited:
        return None
    found = list(Person.objects.within(scope).order_by().values_list("pk", flat=True)[: MOST_FEW + 1])
    return found if len(found) <= MOST_FEW else None


def _bounded(wanted: Wanted, *, after: UUID | None) -> DeliveryQuerySet:
    found = Delivery.objects.only(*_COLUMNS).order_by("-id")
    if after:
        found = found.filter(pk__lt=after)
    if wanted.since:
        found = found.filter(pk__gte=first_id(wanted.since))
    if wanted.until:
        found = found.filter(pk__lt=first_id(wanted.until))
    if wanted.channel:
        found = found.filter(channel=wanted.channel)
    if wanted.states:
        found = found.filter(state__in=sorted(wanted.states))
    if wanted.template_id:
        versions = TemplateVersion.objects.filter(template=wanted.template_id).values_list("pk", flat=True)
        found = found.filter(template_version__in=list(versions))
    if wanted.server_id:
        found = found.filter(server=wanted.server_id)
    if wanted.event_id:
        found = found.filter(event=wanted.event_id)
    return found


def _is_indexed(wanted: Wanted) -> bool:
    """Whether the rows are found through an index, or nothing but the time is asked for."""
    if wanted.event_id or (wanted.states and wanted.states <= set(RARE)):
        return True
    return not (wanted.channel or wanted.states or wanted.template_id or wanted.server_id)


def _paged(found: list[Delivery], *, size: int) -> Page:
    more = len(found) > size
    return Page(tuple(found[:size]), after=found[size - 1].pk if more else None)


def _sliced(rows: QuerySet[Delivery], *, wanted: Wanted, after: UUID | None, size: int) -> Page:
    """Look at the beginning of a slice, then at all of it; where that does not fill the page, the next begins there."""
    for most in (SLICE // _FIRST_LOOK, SLICE):
        bottom = _bottom(wanted, after=after, most=most)
        found = list((rows.filter(pk__gt=bottom) if bottom else rows)[: size + 1])
        if len(found) > size or bottom is None:
            return _paged(found, size=size)
    assert bottom
    return Page(tuple(found), after=_following(bottom), searched_to=moment_of(bottom))


def _bottom(wanted: Wanted, *, after: UUID | None, most: int) -> UUID | None:
    """The first delivery that is beyond so many, None when there is none."""
    every = structs.replace(wanted, channel="", states=frozenset(), template_id=None, server_id=None, event_id=None)
    return _bounded(every, after=after).values_list("pk", flat=True)[most : most + 1].first()


def _following(bottom: UUID) -> UUID:
    """An id above this one and below any other, so that a page after it begins with it."""
    return UUID(int=bottom.int + 1)


def _of_subjects(
    rows: QuerySet[Delivery], *, people: Collection[int], devices: Collection[int], size: int
) -> list[Delivery]:
    """Those of people and devices: found through their events, which have the indexes, and among broadcasts."""
    events = Event.objects.filter(Q(person__in=people) | Q(device__in=devices)).order_by()
    searches = (
        rows.filter(event__in=events.values("pk")),
        rows.filter(person__in=people, broadcast__isnull=False),
        rows.filter(device__in=devices, broadcast__isnull=False),
    )
    return newest(searches, most=size + 1)


def newest(searches: Iterable[QuerySet[Delivery]], *, most: int) -> list[Delivery]:
    """The newest of what several searches find, each of which has an index of its own."""
    found = {row.pk: row for search in searches for row in search[:most]}
    return [found[pk] for pk in sorted(found, reverse=True)[:most]]


def written_to(text: str) -> str:
    """A mail address as deliveries have it."""
    try:
        return mail_address.normalise(text)
    except ValueError:
        return text


def _people(text: str) -> list[int]:
    """By login name, which has an index; by mail or number only where the text looks like one."""
    found = Person.objects.order_by()
    searches = [found.filter(loginname__lower=folded(text))]
    if "@" in text:
        searches.append(found.filter(mail__lower=folded(text)))
    if _is_number(text):
        searches.append(found.filter(mobile=text))
    return _keys(searches)


def _devices(text: str) -> list[int]:
    found = Device.objects.order_by()
    searches = [found.filter(keyed("serial", text)), found.filter(keyed("imei", text))] if "@" not in text else []
    if _is_number(text):
        searches.append(found.filter(phone_number=text))
    return _keys(searches)


def _keys(searches: Collection[QuerySet[Any]]) -> list[int]:
    return sorted({pk for search in searches for pk in search.values_list("pk", flat=True)[:MOST_SUBJECTS]})


def _is_number(text: str) -> bool:
    return text.removeprefix("+").isdigit()
