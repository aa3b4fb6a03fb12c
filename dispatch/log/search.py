"""The delivery log: filters, and pages that stay quick however many deliveries there are.

Filters without an index look at a limited number of deliveries at a time, the newest first, and say how far they came;
those with one (trouble, an event, a person, a device) reach back to the beginning. People and devices are found first,
then what was sent to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from msgspec import Struct, structs

from devices.models import Person
from devices.scope import GroupScope
from dispatch.log import subjects
from dispatch.log.subjects import NOBODY, Found
from dispatch.models import Delivery, DeliveryQuerySet, Event
from dispatch.rules.states import RARE
from foundation.sql.ids import first_id, moment_of
from templates_app.models import TemplateVersion
from transports.addresses import mail_address

PAGE_SIZE = 50
SLICE = 25_000
"""How many deliveries a filter without an index looks at before it says how far it came."""

MOST_FEW = 300
"""More users than these have a delivery in most slices."""

_CHUNK = 1000
_FIRST_LOOK = 25  # most filters fill a page within this part of a slice
_BESIDE = 5  # and where users or devices were found, this part has to do for addresses of others

_COLUMNS = (
    "id",
    "event_id",
    "broadcast_id",
    "template_version_id",
    "channel",
    "server_kind",
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

    `recipient` is a part of what a user, a device or an address is known by, or a number in any spelling.
    """

    since: datetime | None = None
    until: datetime | None = None
    channel: str = ""
    states: frozenset[str] = frozenset()
    template_id: int | None = None
    server_id: int | None = None
    event_id: UUID | None = None
    person_id: int | None = None
    device_id: int | None = None
    recipient: str = ""


class Page(Struct, frozen=True):
    """Deliveries, the newest first. `after` is where the next page begins, None at the end.

    `searched_to` is set when the page is short because the search stopped there; with rows that are older, they are of
    the users and devices that were found, and only the search among addresses stopped there. `found` are these.
    """

    rows: tuple[Delivery, ...]
    after: UUID | None
    searched_to: datetime | None = None
    found: Found = NOBODY


def page(wanted: Wanted, *, scope: GroupScope, after: UUID | None = None, size: int = PAGE_SIZE) -> Page:
    """The deliveries in the scope after this one, among them all those of users and devices that were found."""
    return _page(wanted, after=after, size=size, found=_found(wanted, scope), scope=scope)


def pages(wanted: Wanted, *, scope: GroupScope, after: UUID | None = None) -> Iterator[tuple[Delivery, ...]]:
    """Everything in the scope that matches, in chunks; `after` as in `page`."""
    found = _found(wanted, scope)
    while True:
        each = _page(wanted, after=after, size=_CHUNK, found=found, scope=scope, gapless=True)
        yield each.rows
        after = each.after
        if after is None:
            return


def _page(
    wanted: Wanted, *, after: UUID | None, size: int, found: Found, scope: GroupScope, gapless: bool = False
) -> Page:
    """With `gapless` no page goes further back than addresses were searched."""
    rows = _bounded(wanted, after=after).within(scope)
    if wanted.recipient and not found.many:
        own = _of_subjects(rows, found, size=size) if found.people or found.devices else []
        others = rows.filter(subjects.addressed(wanted.recipient))
        return _sliced(others, wanted, after=after, size=size, beside=own, found=found, gapless=gapless)
    if wanted.recipient:
        rows = rows.filter(_of_many(wanted.recipient, scope) | subjects.addressed(wanted.recipient))
    elif found.people or found.devices:
        return _paged(_of_subjects(rows, found, size=size), size=size, found=found)
    elif (few := those_of(scope)) is not None:
        return _paged(_of_subjects(rows, Found(tuple(few)), size=size), size=size)
    elif wanted.event_id or (_is_indexed(wanted) and not scope.is_limited):
        return _paged(list(rows[: size + 1]), size=size)
    return _sliced(rows, wanted, after=after, size=size, found=found)


def _found(wanted: Wanted, scope: GroupScope) -> Found:
    """The users and devices that are named, or meant by what was typed."""
    if wanted.person_id or wanted.device_id:
        return Found(*((pk,) if pk else () for pk in (wanted.person_id, wanted.device_id)))
    return subjects.find(wanted.recipient, scope=scope) if wanted.recipient else NOBODY


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


def _paged(rows: list[Delivery], *, size: int, found: Found = NOBODY) -> Page:
    more = len(rows) > size
    return Page(tuple(rows[:size]), after=rows[size - 1].pk if more else None, found=found)


def _sliced(
    rows: QuerySet[Delivery],
    wanted: Wanted,
    *,
    after: UUID | None,
    size: int,
    found: Found,
    beside: Sequence[Delivery] = (),
    gapless: bool = False,
) -> Page:
    """Look at the beginning of a slice, then at all of it; where that does not fill the page, the next begins there.

    `beside` are deliveries that fit as well, from an index, which knows no slices.
    """
    for most in (SLICE // _FIRST_LOOK, SLICE // _BESIDE if beside and not gapless else SLICE):
        bottom = _bottom(wanted, after=after, most=most)
        looked = list((rows.filter(pk__gt=bottom) if bottom else rows)[: size + 1])
        both = {row.pk: row for row in (*looked, *beside)}
        merged = [both[pk] for pk in sorted(both, reverse=True)[: size + 1]]
        if bottom is None or (len(merged) > size and merged[size - 1].pk > bottom):
            return _paged(merged, size=size, found=found)
    assert bottom
    searched_to, kept = moment_of(bottom), merged[:size]
    if gapless:
        kept = [row for row in kept if row.pk > bottom]
    elif len(merged) > size:
        return Page(tuple(kept), after=kept[-1].pk, searched_to=searched_to, found=found)
    lowest = min([bottom, *(row.pk for row in kept)])
    return Page(tuple(kept), after=_following(lowest), searched_to=searched_to, found=found)


def _bottom(wanted: Wanted, *, after: UUID | None, most: int) -> UUID | None:
    """The first delivery that is beyond so many, None when there is none."""
    every = structs.replace(wanted, channel="", states=frozenset(), template_id=None, server_id=None, event_id=None)
    return _bounded(every, after=after).values_list("pk", flat=True)[most : most + 1].first()


def _following(bottom: UUID) -> UUID:
    """An id above this one and below any other, so that a page after it begins with it."""
    return UUID(int=bottom.int + 1)


def _of_subjects(rows: QuerySet[Delivery], found: Found, *, size: int) -> list[Delivery]:
    """Those of people and devices: found through their events, which have the indexes, and among broadcasts."""
    people, devices = found.people, found.devices
    events = Event.objects.filter(Q(person__in=people) | Q(device__in=devices)).order_by()
    searches = (
        rows.filter(event__in=events.values("pk")),
        rows.filter(person__in=people, broadcast__isnull=False),
        rows.filter(device__in=devices, broadcast__isnull=False),
    )
    return newest(searches, most=size + 1)


def _of_many(text: str, scope: GroupScope) -> Q:
    """Those of more users or devices than whose events are looked up: each delivery of a slice says whose it is."""
    people, devices = (rows(text, scope=scope).values("pk") for rows in (subjects.people, subjects.devices))
    own = Q(person__in=people) | Q(device__in=devices)
    return own | Q(event__person__in=people) | Q(event__device__in=devices)


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
