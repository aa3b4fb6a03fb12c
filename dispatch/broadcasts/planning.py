"""Broadcasts: one event becomes a message to everybody a filter holds for, planned in chunks after it was accepted.

The id of each delivery is made from what may be there once only: the address, or address and device. So a chunk that is
planned again, after its worker was killed, changes nothing, and no address gets a message twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Length
from msgspec import Struct, structs

from devices import queries as devices
from devices.models import Device, Person
from devices.queries import Subject, known_device, known_person
from devices.scope import GroupScope
from devices.values import Target
from dispatch.broadcasts import audiences
from dispatch.models import Broadcast, Delivery, Event, Priority
from dispatch.outbox import fanout, store
from dispatch.outbox.store import NewEvent
from dispatch.rules import plan as planning
from dispatch.rules import states
from dispatch.rules.clock import Clock
from dispatch.rules.plan import Occasion, Planned, Way, Ways
from dispatch.rules.states import BroadcastState
from dispatch.sending import compose
from dispatch.wakeup import wake_ups
from foundation.sql.ids import first_id
from servers.queries import active_routes
from servers.values import Route, ServerKind
from templates_app import queries as templates
from templates_app.channels import ADDRESSED
from templates_app.texts import typed
from templates_app.texts.render import ChannelTexts, Template
from transports.types import AddressKind, ChannelKind, Reason, ReasonCode, Recipient, Scope

FIRST = 200
"""Targets of the first chunk: small, so that the first message is soon on its way."""
CHUNK = 5_000
LONGEST = timedelta(seconds=20)
LEASE = timedelta(seconds=60)
_OF_THE_DISABLED = "user.disabled"
"""The type of templates that tell people of it."""
_MILLISECOND = timedelta(milliseconds=1)


class Run(Struct, frozen=True):
    """A broadcast with all that holds for each of its deliveries; neither need be stored."""

    broadcast: Broadcast
    occasion: Occasion
    templates: Sequence[Template]
    routes: Mapping[ServerKind, Route]

    def channels(self) -> list[tuple[Template, ChannelTexts]]:
        """Each channel of each template that it goes by."""
        only = frozenset(map(ChannelKind, self.broadcast.channels)) or None
        served = planning.any_served(self.templates, only=only, routes=self.routes)
        return [
            (template, channel)
            for template in self.templates
            for channel in planning.channels(template, only=only, routes=self.routes, any_served=served)[0]
        ]


class _Targets(Struct, frozen=True):
    """Some of those it goes to, in order. `plain` are those whose user has a mail address of the usual form and is not
    disabled.
    """

    model: type[Device | Person]
    ids: Sequence[int]
    plain: Sequence[int]


def begin(
    event_id: UUID,
    *,
    audience: Mapping[str, Any],
    scope: GroupScope,
    chosen: Sequence[Template],
    channels: Sequence[ChannelKind],
    extra: Sequence[Planned],
    expires_at: datetime | None,
    now: datetime,
) -> Broadcast:
    """Store the broadcast of an event that is stored already; `extra` are its recipients besides the audience, which
    reaches nobody outside of `scope`, whatever the filter says.

    Called inside the transaction of the event.
    """
    broadcast = Broadcast.objects.create(
        name=", ".join(template.name for template in chosen)[:255],
        audience=audience,
        groups=None if scope.groups is None else sorted(scope.groups),
        channels=[kind.value for kind in channels],
        expires_at=expires_at,
        created_at=now,
    )
    broadcast.template_versions.set([template.texts.version_id for template in chosen])
    Event.objects.filter(pk=event_id).update(broadcast=broadcast)
    if extra:
        store.add([_own(row, broadcast=broadcast, per_device=False) for row in extra], now=now)
        _wake({row.server_id for row in extra})
    transaction.on_commit(partial(wake_ups.wake_planner, broadcast.pk))
    return broadcast


def plan(broadcast_id: UUID, *, clock: Clock, stopping: Callable[[], bool]) -> None:
    """Plan chunk after chunk, each in its transaction, until all is planned; a long one goes on in another task."""
    if not _take(broadcast_id, now=clock.now()):
        return
    until = clock.monotonic() + LONGEST.total_seconds()
    most = FIRST
    while _plan_some(broadcast_id, most=most, now=clock.now()):
        most = CHUNK
        if stopping() or clock.monotonic() > until:
            Broadcast.objects.filter(pk=broadcast_id).update(lease_until=None)
            wake_ups.wake_planner(broadcast_id)
            return


def leases() -> dict[UUID, datetime | None]:
    """Until when whoever plans a broadcast said that it would; each step of it says so anew."""
    planning = Broadcast.objects.filter(state=BroadcastState.PLANNING, lease_until__isnull=False)
    return dict(planning.values_list("pk", "lease_until"))


def free(broadcast_ids: Sequence[UUID]) -> int:
    """Nobody plans these any more; returns how many."""
    return Broadcast.objects.filter(pk__in=broadcast_ids, state=BroadcastState.PLANNING).update(lease_until=None)


def resume() -> None:
    """Wake for every broadcast that should be planned and that nobody plans."""
    for pk in _free(Broadcast.objects.all()).values_list("pk", flat=True):
        wake_ups.wake_planner(pk)


def finish(*, now: datetime) -> int:
    """Mark broadcasts of which nothing can be sent any more; returns how many.

    One delivery that is still open is remembered with each, so that the others are looked at only when that one ended.
    """
    finished = 0
    for pk, waits_for in Broadcast.objects.filter(state=BroadcastState.RUNNING).values_list("pk", "waits_for"):
        if waits_for and Delivery.objects.filter(pk=waits_for, state__in=states.OPEN).exists():
            continue
        open_ = Delivery.objects.filter(event__in=Event.objects.filter(broadcast=pk), state__in=states.OPEN)
        last = open_.order_by("-id").values_list("pk", flat=True).first()
        ended = {} if last else {"state": BroadcastState.FINISHED, "finished_at": now}
        changed = Broadcast.objects.filter(pk=pk, state=BroadcastState.RUNNING).update(waits_for=last, **ended)
        finished += changed if ended else 0
    return finished


def _take(broadcast_id: UUID, *, now: datetime) -> bool:
    free = _free(Broadcast.objects.filter(pk=broadcast_id))
    return bool(free.update(lease_until=now + LEASE))


def _free(rows: QuerySet[Broadcast]) -> QuerySet[Broadcast]:
    return rows.filter(lease_until=None, state=BroadcastState.PLANNING)


@transaction.atomic
def _plan_some(broadcast_id: UUID, *, most: int, now: datetime) -> bool:
    """Plan for the next targets; False when there was nobody left, or it was cancelled."""
    broadcast = Broadcast.objects.select_for_update().get(pk=broadcast_id)
    if broadcast.state != BroadcastState.PLANNING:
        return False
    run = _run(broadcast)
    targets = _next_devices(run, most=most, after=broadcast.planned_up_to)
    targets = targets or _next_users(run, most=most, after=broadcast.users_planned_up_to)
    row = Broadcast.objects.filter(pk=broadcast_id)
    if targets is None:
        if bare := to_addresses(run):
            store.add(bare, now=broadcast.created_at)
            _wake({each.server_id for each in bare})
        row.update(state=BroadcastState.RUNNING, lease_until=None)
        return False
    _wake(_plan_targets(run, targets))
    column = "planned_up_to" if targets.model is Device else "users_planned_up_to"
    row.update(**{column: targets.ids[-1]}, lease_until=now + LEASE)
    return True


def _run(broadcast: Broadcast) -> Run:
    return run_of(broadcast, event=Event.objects.get(broadcast=broadcast), chosen=chosen(broadcast))


def chosen(broadcast: Broadcast) -> list[Template]:
    """The templates of a stored broadcast in the versions that it was begun with."""
    versions = broadcast.template_versions.select_related("template").order_by("pk")
    return templates.speaking(
        [
            structs.replace(templates.as_template(row.template), texts=templates.version_texts(row.pk))
            for row in versions
        ]
    )


def run_of(broadcast: Broadcast, *, event: Event | NewEvent, chosen: Sequence[Template]) -> Run:
    """With the templates that speak; the broadcast's own texts stand in place of theirs."""
    values = planning.event_values(
        event_id=event.id,
        type_code=event.type,
        source=event.source,
        occurred_at=event.occurred_at,
        payload=event.payload,
    )
    occasion = Occasion(
        event_id=event.id,
        values={**values, "console": compose.console_values()},
        received_at=event.received_at,
        expires_at=broadcast.expires_at,
        priority=Priority.BROADCAST,
        new_id=lambda: event.id,
        admins=devices.administrators(),
    )
    said = [_in_own_words(template, broadcast=broadcast) for template in chosen]
    return Run(broadcast, occasion, [planning.to_those_named(template) for template in said], active_routes())


def _in_own_words(template: Template, *, broadcast: Broadcast) -> Template:
    """Text typed in for the broadcast goes by its channels whatever server is active: a person chose them."""
    if not broadcast.texts:
        return template
    texts = structs.replace(template.texts, channels=typed.ready(broadcast.texts))
    return structs.replace(template, predefined=False, texts=texts)


def _next_devices(run: Run, *, most: int, after: int) -> _Targets | None:
    broadcast = run.broadcast
    found = audiences.devices(broadcast.audience, scope=broadcast.scope, now=broadcast.created_at)
    return _next(run, Device, found, user="person__", after=after, most=most)


def _next_users(run: Run, *, most: int, after: int) -> _Targets | None:
    found = audiences.people(run.broadcast.audience, scope=run.broadcast.scope)
    return _next(run, Person, found, user="", after=after, most=most)


def _next(
    run: Run, model: type[Device | Person], found: QuerySet[Any], *, user: str, after: int, most: int
) -> _Targets | None:
    """Those that were there when the broadcast was accepted, in the order of their numbers."""
    there = found.filter(pk__gt=after, uid__lt=first_id(run.broadcast.created_at + _MILLISECOND))
    mail = f"{user}mail"
    usual = Q(**{f"{mail}__regex": fanout.PLAIN, f"{user}disabled": False}, length__range=fanout.PLAIN_LENGTHS)
    plain = ExpressionWrapper(usual, output_field=BooleanField())
    measured = there.order_by("pk").annotate(length=Length(mail))
    rows = list(measured.annotate(plain=plain).values_list("pk", "plain")[:most])
    if not rows:
        return None
    return _Targets(model, [pk for pk, _ in rows], [pk for pk, is_plain in rows if is_plain])


def _plan_targets(run: Run, targets: _Targets) -> set[int | None]:
    """Store their deliveries; returns the servers that have something to send."""
    planned: list[Planned] = []
    servers: set[int | None] = set()
    for template, channel in run.channels():
        those = _wanting(run, channel, targets)
        rest = those.ids
        if fanout.takes(channel):
            rest = _not_plain(those)
            servers.add(_fan_out(run, template, channel, those))
        planned += _planned(run, template, channel, model=those.model, ids=rest)
    if planned:
        store.add(planned, now=run.broadcast.created_at)
    return servers | {row.server_id for row in planned}


def _wanting(run: Run, channel: ChannelTexts, targets: _Targets) -> _Targets:
    """Those to whom it goes by this channel."""
    ids = audiences.wanting(run.broadcast.audience, channel.kind, model=targets.model, ids=targets.ids)
    if ids is targets.ids:
        return targets
    kept = set(ids)
    return _Targets(targets.model, ids, [pk for pk in targets.plain if pk in kept])


def _not_plain(targets: _Targets) -> list[int]:
    return sorted(set(targets.ids) - set(targets.plain))


def _plain_row(run: Run, template: Template) -> Planned:
    """What the mails to plain addresses have in common."""
    route = run.routes.get(ServerKind.SMTP)
    return Planned(
        id=run.occasion.event_id,
        channel=ChannelKind.SMTP,
        server_kind=ServerKind.SMTP,
        to=Recipient(AddressKind.MAIL, ""),
        expires_at=run.occasion.expires_at or run.occasion.received_at + template.lifetime,
        event_id=run.occasion.event_id,
        broadcast_id=run.broadcast.pk,
        template_version_id=template.texts.version_id,
        server_id=route.server_id if route else None,
        own=True,
        priority=run.occasion.priority,
        hold_unknown=template.hold_unknown,
        wait_code="" if route else ReasonCode.NO_ACTIVE_SERVER.value,
    )


def _fan_out(run: Run, template: Template, channel: ChannelTexts, targets: _Targets) -> int | None:
    row = _plain_row(run, template)
    fanout.insert(
        row,
        targets.plain,
        of_devices=targets.model is Device,
        per_device=channel.per_device,
        key=_key(row),
        now=run.broadcast.created_at,
    )
    return row.server_id


def _planned(
    run: Run,
    template: Template,
    channel: ChannelTexts,
    *,
    model: type[Device | Person],
    ids: Sequence[int],
) -> list[Planned]:
    ways = planning.ways([(template, None)], only=frozenset({channel.kind}), routes=run.routes)
    targets = _targets(model, ids, per_device=channel.per_device)
    disabled = _disabled(targets) if template.type != _OF_THE_DISABLED else set()
    found = []
    for target in targets:
        made = planning.plan(run.occasion, ways=ways, target=target, routes=run.routes)
        rows = map(_skipped, made.deliveries) if target.person_id in disabled else made.deliveries
        found += [_own(row, broadcast=run.broadcast, per_device=channel.per_device) for row in rows]
    return found


def _disabled(targets: Sequence[Target]) -> set[int]:
    ids = [target.person_id for target in targets if target.person_id]
    found = Person.objects.filter(pk__in=ids, disabled=True)
    return set(found.values_list("pk", flat=True))


def _skipped(row: Planned) -> Planned:
    """Nothing is sent to somebody who was disabled, whatever else stands against it."""
    reason = Reason(ReasonCode.DISABLED, Scope.RECIPIENT, "the user is disabled")
    return structs.replace(row, skip=reason, server_id=None, wait_code="")


def _targets(model: type[Device | Person], ids: Sequence[int], *, per_device: bool) -> list[Target]:
    if not ids:
        return []
    if model is Person:
        return devices.find_targets(
            [Subject(person=known_person(row)) for row in Person.objects.filter(pk__in=ids).order_by("pk")],
            reach_phones=False,
        )
    rows = Device.objects.filter(pk__in=ids).select_related("person").order_by("pk")
    found = devices.find_targets([Subject(device=known_device(row)) for row in rows], reach_phones=True)
    if per_device:
        return found
    owners = {target.person_id for target in found if target.has_sim is False}
    phones = Device.objects.filter(person__in=owners - {None}).exclude(has_sim=False)
    with_phone = set(phones.values_list("person_id", flat=True))
    return [structs.replace(each, has_sim=None) if each.person_id in with_phone else each for each in found]


def to_addresses(run: Run) -> list[Planned]:
    """What goes to bare addresses. Text about a user or a device says nothing of them there."""
    given = audiences.addresses(run.broadcast.audience, scope=run.broadcast.scope)
    occasion = structs.replace(run.occasion, extra=given)
    found: list[Planned] = []
    for template, channel in run.channels() if given else ():
        way = Way(template, None, structs.replace(channel, recipients=()))
        if channel.kind in given:
            ways = Ways((template,), (way,), (), uses_supplied=False, to_administrators=False)
            made = planning.plan(occasion, ways=ways, target=Target(), routes=run.routes)
            found += [_own(row, broadcast=run.broadcast, per_device=False) for row in made.deliveries]
    return found


def outline(run: Run) -> Iterator[Planned]:
    """Every delivery that planning would store, in its order, and again each that it would find there already."""
    yield from to_addresses(run)
    for model, following in ((Device, _next_devices), (Person, _next_users)):
        after = 0
        while targets := following(run, most=CHUNK, after=after):
            for template, channel in run.channels():
                those = _wanting(run, channel, targets)
                rest = those.ids
                if fanout.takes(channel):
                    rest = _not_plain(those)
                    yield from _plain(run, template, channel, those)
                yield from _planned(run, template, channel, model=model, ids=rest)
            after = targets.ids[-1]


def _plain(run: Run, template: Template, channel: ChannelTexts, targets: _Targets) -> Iterator[Planned]:
    """What `_fan_out` stores."""
    row = _plain_row(run, template)
    of_devices = targets.model is Device
    columns = (
        ("pk", "person", "person__mail", "person__displayname") if of_devices else ("pk", "pk", "mail", "displayname")
    )
    found: QuerySet[Any] = targets.model._default_manager.filter(pk__in=targets.plain).order_by("pk")  # noqa: SLF001 - documented
    for pk, person_id, mail, name in found.values_list(*columns):
        local, _, domain = mail.rpartition("@")
        to = Recipient(AddressKind.MAIL, f"{local}@{domain.lower()}", name)
        own = structs.replace(row, to=to, person_id=person_id, device_id=pk if of_devices else None)
        yield _own(own, broadcast=run.broadcast, per_device=channel.per_device)


def _own(row: Planned, *, broadcast: Broadcast, per_device: bool) -> Planned:
    own = structs.replace(row, broadcast_id=broadcast.pk, priority=Priority.BROADCAST)
    whom = ""
    if not own.to.address or (per_device and own.channel in ADDRESSED):
        whom = f"d{own.device_id}" if own.device_id else "" if own.to.address else f"p{own.person_id}"
    return structs.replace(own, id=fanout.delivery_id(f"{_key(own)}{whom}|{own.to.address}", now=broadcast.created_at))


def _key(row: Planned) -> str:
    """What the ids of its deliveries are made from, before whom and address."""
    code = row.skip.code.value if row.skip else ""
    return f"{row.broadcast_id}|{row.template_version_id}|{row.channel.value}|{code}|"


def _wake(servers: Collection[int | None]) -> None:
    for server_id in servers:
        if server_id is not None:
            transaction.on_commit(partial(wake_ups.wake, server_id))
