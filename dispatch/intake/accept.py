"""Takes events in: one transaction, idempotent, then wakes a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from msgspec import Struct, field, structs

from devices import queries as devices
from devices.fields import is_storable
from devices.queries import Subject
from devices.scope import EVERYBODY, GroupScope
from devices.values import Target
from dispatch.broadcasts import planning as broadcasts
from dispatch.intake import subjects
from dispatch.intake.subjects import RefusedError, SubjectIn
from dispatch.intake.turn import taking_in
from dispatch.models import Event, Priority
from dispatch.outbox import store as intake
from dispatch.outbox.store import NewEvent
from dispatch.rules import plan as planning
from dispatch.rules import secret_values
from dispatch.rules.plan import Occasion, Plan, Planned, Ways
from dispatch.sending import compose
from dispatch.wakeup import wake_ups
from foundation.sql import dialect
from foundation.sql.ids import new_uid
from foundation.sql.statements import Query, results_of
from servers import queries as servers
from servers.values import Route, ServerKind
from templates_app import queries as templates
from templates_app.channels import ADDRESSED, TRAITS
from templates_app.texts.render import Template
from templates_app.types import ADHOC
from transports.types import AddressKind, ChannelKind, Recipient

URGENT_TYPES = ("system.", "enrollment.")
FUTURE = timedelta(minutes=5)
"""How far a sender's clock may be ahead."""
PLANNED_LATER = (
    "It is a broadcast: those that the audience holds for are added from now on; the event's state tells them."
)


class ConflictError(Exception):
    """The idempotency key was used before with another body."""


class EventIn(Struct, frozen=True):
    """An event as it was posted, its form already checked.

    With `keep` what it tells of device and user is stored with them, without it that counts for this event alone.
    With `known_only` its further recipients are addresses of known users and devices. Whom it names, and whom its
    audience holds for, are in the scope `within`; who is not is unknown.
    `secrets`, such as "enrollment.pin", are stored sealed, and so is what `secret_values` finds in `data`. `audience`
    is a checked filter (see devices.filters).
    """

    occurred_at: datetime
    type: str = ""
    source: str = ""
    template: str = ""
    device: SubjectIn | None = None
    user: SubjectIn | None = None
    audience: Mapping[str, Any] | None = None
    channels: frozenset[ChannelKind] | None = None
    recipients: Mapping[ChannelKind, Sequence[str]] = field(default_factory=dict)
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    keep: bool = False
    known_only: bool = False
    within: GroupScope = EVERYBODY


class Posted(Struct, frozen=True):
    """One event of several, with the key and the hash by which a repetition is known."""

    event: EventIn
    idempotency_key: str = ""
    body_hash: str = ""


class Accepted(Struct, frozen=True):
    """The answer: stored, not sent. A replay has the first answer."""

    id: UUID
    deliveries: int
    skipped: int
    notes: Sequence[str]
    replayed: bool = False


Answer = Accepted | RefusedError | ConflictError
_Stored = TypeVar("_Stored")


_Chosen = tuple[str, str]


class _World(Struct, frozen=True):
    """What is the same for all events that are taken together; `chosen` has the templates of a (type, template)."""

    origin: str
    now: datetime
    routes: Mapping[ServerKind, Route]
    chosen: Mapping[_Chosen, list[Template] | RefusedError]

    @property
    def country(self) -> str:
        return self.routes[ServerKind.SMS].country if ServerKind.SMS in self.routes else ""


def accept(
    event_in: EventIn, *, origin: str, now: datetime, idempotency_key: str = "", body_hash: str = ""
) -> Accepted:
    """Store the event with its deliveries, or nothing. Raises RefusedError or ConflictError."""
    answer = accept_all([Posted(event_in, idempotency_key, body_hash)], origin=origin, now=now)[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def accept_all(posted: Sequence[Posted], *, origin: str, now: datetime) -> list[Answer]:
    """Store several; each stands alone, and its answer or the reason for its refusal has its place."""
    answers: dict[int, Answer] = {}
    seen = _first_answers(posted, origin=origin)
    for place, item in enumerate(posted):
        if item.idempotency_key in seen:
            answers[place] = _again(seen[item.idempotency_key], item)
    fresh = [(place, item) for place, item in enumerate(posted) if place not in answers]
    for store_one, group in groupby(fresh, key=lambda entry: _way_alone(entry[1].event)):
        if store_one:
            for place, item in group:
                answers[place] = _with_a_second_look(store_one, item, origin=origin, now=now)
        else:
            answers |= _with_a_second_look(_store, dict(group), origin=origin, now=now)
    return [answers[place] for place in range(len(posted))]


def _with_a_second_look(store: Callable[..., _Stored], what: Any, *, origin: str, now: datetime) -> _Stored:
    """What an event names may be deleted while it is planned; nothing is stored then, and the second look misses it."""
    try:
        return store(what, origin=origin, now=now)
    except IntegrityError:
        return store(what, origin=origin, now=now)


def _first_answers(posted: Sequence[Posted], *, origin: str) -> dict[str, Event]:
    keys = {item.idempotency_key for item in posted if item.idempotency_key}
    if not keys:
        return {}
    found = Event.objects.filter(origin=origin, idempotency_key__in=keys)
    return {row.idempotency_key: row for row in found.exclude(idempotency_key="")}  # the condition of its index


def _look(events: Iterable[EventIn], *others: Query[Any], origin: str, now: datetime) -> tuple[_World, list[Any]]:
    """What the events are planned with, and what else is read with it."""
    wanted = list(dict.fromkeys((event.type, event.template) for event in events))
    routes, *found = results_of(servers.routes(), *(_find_templates(*each) for each in wanted), *others)
    chosen = dict(zip(wanted, found, strict=False))
    return _World(origin=origin, now=now, routes=routes, chosen=chosen), found[len(wanted) :]


def _again(first: Event, item: Posted) -> Answer:
    if first.body_hash != item.body_hash:
        return ConflictError("This idempotency key was used before with another body; use a new key for a new event.")
    return Accepted(first.pk, first.planned, first.skipped, first.notes, replayed=True)


def stands_alone(event_in: EventIn) -> bool:
    """Others are not stored together with it."""
    return _way_alone(event_in) is not None


def _way_alone(event_in: EventIn) -> Callable[..., Answer] | None:
    """How it is stored if that is not together with others."""
    if event_in.audience is not None:
        return _store_broadcast
    reported = (event_in.user and event_in.user.reported) or (event_in.device and event_in.device.reported)
    return _store_saving if event_in.keep and reported else None


def _store_saving(item: Posted, *, origin: str, now: datetime) -> Answer:
    """Store one event that also creates or changes its device or user: all of it or nothing."""
    event_in = item.event
    world, _ = _look([event_in], origin=origin, now=now)
    try:
        with transaction.atomic():
            _check_times(event_in, now=now)
            found = subjects.save(event_in.user, event_in.device, scope=event_in.within, country=world.country, now=now)
            answer = _store_about({0: item}, {0: found}, world=world)[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
    except (RefusedError, ConflictError) as refused:
        return refused


def _store_broadcast(item: Posted, *, origin: str, now: datetime) -> Answer:
    """Store the event with what goes to its further recipients; for its audience it is planned afterwards."""
    event_in = item.event
    assert event_in.audience is not None
    world, _ = _look([event_in], origin=origin, now=now)
    try:
        _check_times(event_in, now=now)
        chosen = _templates(event_in, world=world)
        bare = _ways(event_in, [_without_recipients(template) for template in chosen], world=world)
        event, made = _prepare(item, bare, Subject(), target=Target(), admins=[], world=world)
    except RefusedError as refused:
        return refused
    extra = [row for row in made.deliveries if not row.skip]
    event = structs.replace(event, planned=len(extra), skipped=0, notes=[PLANNED_LATER, *made.notes])
    with transaction.atomic():
        if not intake.store([event], planned=[], now=now):
            return _second(item, world=world)
        broadcasts.begin(
            event.id,
            audience=event_in.audience,
            scope=event_in.within,
            chosen=chosen,
            channels=sorted(event_in.channels or ()),
            extra=extra,
            expires_at=event_in.expires_at,
            now=now,
        )
    return _answer(event)


def _without_recipients(template: Template) -> Template:
    channels = {kind: structs.replace(channel, recipients=()) for kind, channel in template.texts.channels.items()}
    return structs.replace(template, texts=structs.replace(template.texts, channels=channels))


def _store(items: Mapping[int, Posted], *, origin: str, now: datetime) -> dict[int, Answer]:
    """Store several events in one go; what is wrong with one is its answer."""
    named = {place: (item.event.user, item.event.device) for place, item in items.items()}
    events = (item.event for item in items.values())
    (scope,) = {item.event.within for item in items.values()}  # of one caller
    world, (people, machines) = _look(events, *subjects.readings(named, scope=scope), origin=origin, now=now)
    found = subjects.find(named, people=people, devices=machines, scope=scope, country=world.country)
    return _store_about(items, found, world=world)


def _store_about(
    items: Mapping[int, Posted], found: Mapping[int, Subject | RefusedError], *, world: _World
) -> dict[int, Answer]:
    """The same for events whose subjects are found."""
    answers: dict[int, Answer] = {}
    ready: dict[int, tuple[Ways, Subject]] = {}
    known: dict[tuple[str, str, frozenset[ChannelKind] | None, bool], Ways] = {}
    for place, item in items.items():
        kind = (item.event.type, item.event.template, item.event.channels, _names_somebody(item.event))
        try:
            _check_times(item.event, now=world.now)
            if kind not in known:
                known[kind] = _ways(item.event, _templates(item.event, world=world), world=world)
            _check_recipients(item.event, known[kind])
            ready[place] = (known[kind], _subject(found[place]))
        except RefusedError as refused:
            answers[place] = refused
    targets = devices.find_targets(
        [subject for _, subject in ready.values()],
        reach_phones=any(TRAITS[way.channel.kind].of_phones for ways in known.values() for way in ways.used),
    )
    events: dict[int, NewEvent] = {}
    planned: list[Planned] = []
    to_administrators = any(ways.to_administrators for ways, _ in ready.values())
    admins = devices.administrators() if to_administrators else []
    for (place, (ways, subject)), target in zip(ready.items(), targets, strict=True):
        try:
            event, made = _prepare(items[place], ways, subject, target=target, admins=admins, world=world)
        except RefusedError as refused:
            answers[place] = refused
        else:
            events[place] = event
            planned += made.deliveries
    if dialect.is_postgresql():
        taking_in.end()  # it stores several together
    stored = intake.store(list(events.values()), planned=planned, now=world.now) if events else set()
    for server_id in {row.server_id for row in planned if row.server_id and row.event_id in stored}:
        _wake_when_stored(server_id)
    for place, event in events.items():
        answers[place] = _answer(event) if event.id in stored else _second(items[place], world=world)
    return answers


def _wake_when_stored(server_id: int) -> None:
    """A wake-up that fails takes nothing back and is no reason to store again."""

    def wake() -> None:
        wake_ups.wake(server_id)

    transaction.on_commit(wake, robust=True)


def _answer(event: NewEvent) -> Answer:
    return Accepted(event.id, event.planned, event.skipped, event.notes)


def _second(item: Posted, *, world: _World) -> Answer:
    """Another with the same idempotency key was stored in the meantime."""
    return _again(_first_answers([item], origin=world.origin)[item.idempotency_key], item)


def _subject(found: Subject | RefusedError) -> Subject:
    if isinstance(found, RefusedError):
        raise found
    return found


def _check_times(event_in: EventIn, *, now: datetime) -> None:
    for name, moment in (("occurred_at", event_in.occurred_at), ("expires_at", event_in.expires_at)):
        if moment is not None and not is_storable(moment):
            raise RefusedError(name, "out_of_range", "This time is beyond the calendar.")
    if event_in.occurred_at > now + FUTURE:
        raise RefusedError("occurred_at", "future", "This time is more than 5 minutes in the future.")
    if event_in.expires_at and event_in.expires_at <= now:
        raise RefusedError("expires_at", "past", "This time has passed.")


def _templates(event_in: EventIn, *, world: _World) -> list[Template]:
    found = world.chosen[event_in.type, event_in.template]
    if isinstance(found, RefusedError):
        raise found
    return [planning.to_those_named(template) for template in found] if _names_somebody(event_in) else found


def _names_somebody(event_in: EventIn) -> bool:
    return bool(event_in.user or event_in.device or event_in.audience is not None)


def _check_recipients(event_in: EventIn, ways: Ways) -> None:
    """An Ad Hoc event says to whom it goes, unless its template does."""
    if _names_somebody(event_in) or any(event_in.recipients.values()):
        return
    if all(template.type == ADHOC for template in ways.templates) and not any(
        way.channel.recipients for way in ways.used
    ):
        detail = "An Ad Hoc event needs recipients, or a device, a user or an audience."
        raise RefusedError("recipients", "required", detail)


def _find_templates(type_code: str, template: str) -> Query[list[Template] | RefusedError]:
    if template:
        named = yield from templates.named(template)
        return [named] if named else RefusedError("template", "unknown", f"There is no template {template!r}.")
    found = yield from templates.for_type(type_code)
    if not found:
        known = ", ".join(templates.known_types())
        return RefusedError("type", "unknown", f"The type {type_code!r} is not known. Known types: {known}.")
    return found


def _ways(event_in: EventIn, chosen: Sequence[Template], *, world: _World) -> Ways:
    found = planning.ways([(each, None) for each in chosen], only=event_in.channels, routes=world.routes)
    if event_in.template or all(template.predefined for template in chosen):
        return found
    used = {
        template.name: [way.channel.kind.value for way in found.used if way.template is template] for template in chosen
    }
    speak = (f"Template {name!r} is sent by {', '.join(kinds)}." for name, kinds in used.items() if kinds)
    return structs.replace(found, notes=(*speak, *found.notes))


def _prepare(
    item: Posted,
    ways: Ways,
    subject: Subject,
    *,
    target: Target,
    admins: Sequence[Mapping[str, str]],
    world: _World,
) -> tuple[NewEvent, Plan]:
    event_in, event_id = item.event, new_uid()
    extra = {kind: recipients_of(kind, given, country=world.country) for kind, given in event_in.recipients.items()}
    if event_in.known_only:
        _check_known(extra, scope=event_in.within)
    type_code = event_in.type or ways.templates[0].type
    data, hidden = secret_values.taken_out(event_in.data, type_code=type_code)
    payload = {
        "data": data,
        "reasons": event_in.reasons,
        "user": devices.reported_user(subject.user_reported),
        "device": devices.reported_device(subject.device_reported),
    }
    values = {}
    if ways.uses_supplied:
        values = planning.event_values(
            event_id=event_id,
            type_code=type_code,
            source=event_in.source,
            occurred_at=event_in.occurred_at,
            payload=payload,
        )
        values = compose.with_secrets({**values, "console": compose.console_values()}, event_in.secrets)
    occasion = Occasion(
        event_id=event_id,
        values=values,
        received_at=world.now,
        expires_at=event_in.expires_at,
        priority=Priority.SYSTEM if type_code.startswith(URGENT_TYPES) else Priority.EVENT,
        new_id=new_uid,
        extra=extra,
        admins=admins,
    )
    made = planning.plan(occasion, ways=ways, target=target, routes=world.routes)
    skipped = sum(1 for row in made.deliveries if row.skip)
    event = NewEvent(
        id=event_id,
        type=type_code,
        source=event_in.source,
        origin=world.origin,
        occurred_at=event_in.occurred_at,
        received_at=world.now,
        idempotency_key=item.idempotency_key,
        body_hash=item.body_hash,
        template_id=ways.templates[0].id if event_in.template else None,
        person_id=target.person_id,
        device_id=target.device_id,
        payload=payload,
        sealed=compose.sealed(event_in.secrets, hidden=hidden),
        planned=len(made.deliveries) - skipped,
        skipped=skipped,
        notes=list(made.notes),
    )
    return event, made


def recipients_of(kind: ChannelKind, given: Sequence[str], *, country: str) -> list[Recipient]:
    """The addresses as they are written to. Raises RefusedError."""
    found, addresses = [], ADDRESSED[kind]
    for number, raw in enumerate(given):
        try:
            found.append(Recipient(addresses.kind, addresses.normalise(raw, country)))
        except ValueError as error:
            raise RefusedError(f"recipients.{kind.value}.{number}", "invalid", f"{raw[:100]!r}: {error}.") from None
    return found


def _check_known(extra: Mapping[ChannelKind, Sequence[Recipient]], *, scope: GroupScope) -> None:
    for kind, recipients in extra.items():
        addresses = [each.address for each in recipients]
        find = devices.known_mails if ADDRESSED[kind].kind is AddressKind.MAIL else devices.known_numbers
        known = find(addresses, scope=scope)
        for number, address in enumerate(addresses):
            if address.lower() not in known:
                words = f"{address!r} belongs to no known user or device, and this key may write to no others."
                raise RefusedError(f"recipients.{kind.value}.{number}", "outside", words)
