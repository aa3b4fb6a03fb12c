"""Takes an event in: one transaction, idempotent, then rings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from devices import queries as devices
from devices.models import Device, Person, new_uid
from devices.values import Target
from dispatch import doorbell, outbox
from dispatch.models import Event, Priority
from dispatch.plan import Occasion, Plan, event_values, plan
from servers.queries import active_routes
from servers.values import ServerKind
from templates_app import queries as templates
from templates_app.render import Template
from transports import mail_address, phone_number
from transports.types import AddressKind, ChannelKind, Recipient

URGENT_TYPES = ("system.", "enrollment.")


class RefusedError(Exception):
    """Something in the event is wrong; nothing was stored. `field` is its path, such as "device.serial"."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message


class ConflictError(Exception):
    """The idempotency key was used before with another body."""


@dataclass(frozen=True, slots=True)
class SubjectIn:
    """A device (serial, imei or uid) or a user (loginname or uid): its key, and what the event tells of it."""

    key: str
    value: str
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventIn:
    """An event as it was posted, its form already checked. `secrets` travel encrypted."""

    occurred_at: datetime
    type: str = ""
    source: str = ""
    template: str = ""
    device: SubjectIn | None = None
    user: SubjectIn | None = None
    channels: frozenset[ChannelKind] | None = None
    recipients: Mapping[ChannelKind, Sequence[str]] = field(default_factory=dict)
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer: stored, not sent. A replay has the first answer."""

    id: UUID
    deliveries: int
    skipped: int
    notes: Sequence[str]
    replayed: bool = False


def accept(
    event_in: EventIn, *, origin: str, now: datetime, idempotency_key: str = "", body_hash: str = ""
) -> Accepted:
    """Store the event with its deliveries, or nothing. Raises RefusedError or ConflictError."""
    if idempotency_key and (first := _first_answer(origin, idempotency_key, body_hash=body_hash)):
        return first
    try:
        with transaction.atomic():
            return _store(event_in, origin=origin, now=now, idempotency_key=idempotency_key, body_hash=body_hash)
    except IntegrityError:
        if idempotency_key and (first := _first_answer(origin, idempotency_key, body_hash=body_hash)):
            return first
        raise


def _first_answer(origin: str, idempotency_key: str, *, body_hash: str) -> Accepted | None:
    row = Event.objects.filter(origin=origin, idempotency_key=idempotency_key).first()
    if row is None:
        return None
    if row.body_hash != body_hash:
        raise ConflictError("This Idempotency-Key was used before with another body; use a new key for a new event.")
    return Accepted(row.pk, row.planned, row.skipped, row.notes, replayed=True)


def _store(event_in: EventIn, *, origin: str, now: datetime, idempotency_key: str, body_hash: str) -> Accepted:
    chosen = _templates(event_in)
    person, device = _subjects(event_in)
    event_id = new_uid()
    target = devices.find_target(
        person=person,
        device=device,
        user_told=event_in.user.told if event_in.user else {},
        device_told=event_in.device.told if event_in.device else {},
    )
    made = _plan(event_in, event_id=event_id, templates=chosen, target=target, now=now)
    skipped = sum(1 for row in made.deliveries if row.skip)
    Event.objects.create(
        id=event_id,
        type=event_in.type or chosen[0].type,
        source=event_in.source,
        origin=origin,
        idempotency_key=idempotency_key,
        body_hash=body_hash,
        occurred_at=event_in.occurred_at,
        received_at=now,
        template_id=chosen[0].id if event_in.template else None,
        person_id=target.person_id,
        device_id=target.device_id,
        payload={
            "data": event_in.data,
            "reasons": event_in.reasons,
            "user": event_in.user.told if event_in.user else {},
            "device": event_in.device.told if event_in.device else {},
        },
        planned=len(made.deliveries) - skipped,
        skipped=skipped,
        notes=list(made.notes),
    )
    outbox.add(made.deliveries, now=now)
    for server_id in {row.server_id for row in made.deliveries if row.server_id}:
        transaction.on_commit(partial(doorbell.ring, server_id))
    return Accepted(event_id, len(made.deliveries) - skipped, skipped, made.notes)


def _templates(event_in: EventIn) -> list[Template]:
    if event_in.template:
        named = templates.named(event_in.template)
        if named is None:
            raise RefusedError("template", "unknown", f"There is no template {event_in.template!r}.")
        return [named]
    found = templates.for_type(event_in.type)
    if not found:
        known = ", ".join(templates.known_types())
        raise RefusedError("type", "unknown", f"The type {event_in.type!r} is not known. Known types: {known}.")
    return found


def _subjects(event_in: EventIn) -> tuple[Person | None, Device | None]:
    person = device = None
    if event_in.user:
        person = devices.find_person(event_in.user.key, event_in.user.value)
        if person is None and not event_in.user.told:
            raise RefusedError(f"user.{event_in.user.key}", "unknown", f"No user has the {event_in.user.key} given.")
    if event_in.device:
        device = devices.find_device(event_in.device.key, event_in.device.value)
        if device is None and not event_in.device.told:
            raise RefusedError(
                f"device.{event_in.device.key}", "unknown", f"No device has the {event_in.device.key} given."
            )
    return person, device


def _plan(event_in: EventIn, *, event_id: UUID, templates: list[Template], target: Target, now: datetime) -> Plan:
    routes = active_routes()
    country = routes[ServerKind.SMS].country if ServerKind.SMS in routes else ""
    occasion = Occasion(
        event_id=event_id,
        values=event_values(
            event_id=event_id,
            type_code=event_in.type,
            source=event_in.source,
            occurred_at=event_in.occurred_at,
            payload={"data": event_in.data, "reasons": event_in.reasons},
        ),
        received_at=now,
        expires_at=event_in.expires_at,
        priority=Priority.SYSTEM if event_in.type.startswith(URGENT_TYPES) else Priority.EVENT,
        new_id=new_uid,
        channels=event_in.channels,
        extra={kind: _extra(kind, given, country=country) for kind, given in event_in.recipients.items()},
        admins=devices.administrators(),
    )
    return plan(occasion, templates=[(template, None) for template in templates], target=target, routes=routes)


def _extra(kind: ChannelKind, given: Sequence[str], *, country: str) -> list[Recipient]:
    found = []
    for number, raw in enumerate(given):
        try:
            if kind is ChannelKind.SMTP:
                found.append(Recipient(AddressKind.MAIL, mail_address.normalise(raw)))
            else:
                found.append(Recipient(AddressKind.PHONE, phone_number.normalise(raw, country=country)))
        except ValueError as error:
            raise RefusedError(f"recipients.{kind.value}.{number}", "invalid", f"{raw!r}: {error}.") from None
    return found
