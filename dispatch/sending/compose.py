"""Claimed deliveries become envelopes: values are read, texts rendered, equal texts put together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec
from django.conf import settings
from msgspec import Struct

from devices import queries as devices
from dispatch.models import Broadcast, Delivery, DeliveryText, Event
from dispatch.outbox import events as stored_events
from dispatch.outbox.deliveries import Claim, NewText
from dispatch.outbox.events import Happened
from dispatch.rules import secret_values
from dispatch.rules.plan import event_values
from dispatch.rules.states import DeliveryState
from foundation.secrets import seal, unseal
from foundation.sql import dialect, statements
from foundation.sql.statements import Query
from servers.values import Limits
from templates_app import queries as templates
from templates_app.channels import TRAITS
from templates_app.texts import typed
from templates_app.texts.render import ChannelTexts, RenderedText, parse_sender, render
from transports.types import AddressKind, ChannelKind, Message, Reason, ReasonCode, Recipient, Scope

_HIDDEN = ""
"""No macro has this name."""


class Sources(Struct, frozen=True):
    """Everything that the texts of some claims are made from, read in a few queries.

    `typed` are the texts of one's own that broadcasts have instead of those of their template.
    """

    events: Mapping[UUID, Happened]
    broadcasts: Mapping[UUID, Broadcast]
    typed: Mapping[UUID, Mapping[ChannelKind, ChannelTexts]]
    people: Mapping[int, dict[str, Any]]
    devices: Mapping[int, dict[str, Any]]
    texts: Mapping[UUID, DeliveryText]


class Draft(Struct, frozen=True):
    """One delivery with its text. `kept` is the id of a text from an earlier try; the text is then the same."""

    claim: Claim
    text: RenderedText
    kept: UUID | None
    visible_to: tuple[str, ...] = ()


class Envelope(Struct, frozen=True):
    """One message and the claims whose recipients share it; `new_text` is to be kept before it is sent."""

    message: Message
    claims: tuple[Claim, ...]
    new_text: NewText | None


def sources(claims: Sequence[Claim]) -> Sources:
    """Read what the claims need."""
    fresh = [claim for claim in claims if claim.text_id is None]
    events = {claim.event_id for claim in claims if claim.event_id}
    broadcasts = {claim.broadcast_id for claim in claims if claim.broadcast_id}
    texts = {claim.text_id for claim in claims if claim.text_id}
    _, happened, people, known_devices = statements.results_of(
        _by_key(),
        stored_events.happened(events),
        devices.values_of_people({claim.person_id for claim in fresh if claim.person_id}),
        devices.values_of_devices({claim.device_id for claim in fresh if claim.device_id}),
    )
    rows = Broadcast.objects.in_bulk(list(broadcasts)) if broadcasts else {}
    return Sources(
        events=happened,
        broadcasts=rows,
        typed={pk: typed.ready(row.texts) for pk, row in rows.items() if row.texts},
        people=people,
        devices=known_devices,
        texts=DeliveryText.objects.in_bulk(list(texts)) if texts else {},
    )


def _by_key() -> Query[None]:
    """What is read together with this is looked for by its keys."""
    if settings := dialect.without(*dialect.READING_WHOLE):
        yield settings[0]


def draft(claim: Claim, *, known: Sources) -> Draft | Reason:
    """The text of one delivery: the one of its first try, or made now. Without its secrets there is none."""
    kept = known.texts.get(claim.text_id) if claim.text_id else None
    event = known.events.get(claim.event_id) if claim.event_id else None
    secret_in = kept or event
    if secret_in and secret_in.sealed == Event.WIPED:
        return Reason(ReasonCode.SECRET_WIPED, Scope.MESSAGE, "its secret values were wiped when it was finished")
    if kept:
        return Draft(claim, _kept(kept), kept.pk, tuple(kept.visible_to))
    channel = _channel(claim, known=known)
    values, secrets = _values(claim, known=known)
    made = render(channel, values, language=claim.language, zone=claim.time_zone, secrets=secrets)
    if isinstance(made, Reason):
        return made
    several = len(channel.recipients) > 1
    return Draft(claim, made, None, _visible(claim, known=known, several=several))


def _channel(claim: Claim, *, known: Sources) -> ChannelTexts:
    if claim.broadcast_id and claim.broadcast_id in known.typed:
        return known.typed[claim.broadcast_id][claim.channel]
    assert claim.template_version_id is not None
    return templates.version_texts(claim.template_version_id).channels[claim.channel]


def envelopes(drafts: Sequence[Draft], *, known: Sources, limits: Limits) -> list[Envelope]:
    """Equal texts of one event or broadcast together, at most the server's recipients each; the rest alone."""
    most = limits.max_recipients
    groups: dict[object, list[Draft]] = {}
    for item in drafts:
        groups.setdefault(_group_key(item) if most > 1 else item.claim.id, []).append(item)
    return [
        _envelope(group[start : start + most], known=known)
        for group in groups.values()
        for start in range(0, len(group), most)
    ]


def _values(claim: Claim, *, known: Sources) -> tuple[dict[str, Any], frozenset[str]]:
    user = known.people.get(claim.person_id, {}) if claim.person_id else {}
    device = known.devices.get(claim.device_id, {}) if claim.device_id else {}
    values: dict[str, Any] = {
        "user": user,
        "device": device,
        "console": console_values(),
    }
    if claim.event_id is None:
        return values, frozenset()
    event = known.events[claim.event_id]
    secrets, hidden = _opened(event.sealed)
    supplied = {**event.payload, "data": secret_values.put_back(event.payload.get("data", {}), hidden)}
    if supplied.get("user"):
        values["user"] = {**user, **supplied["user"]}
    if supplied.get("device"):
        values["device"] = {**device, **supplied["device"]}
    values |= event_values(
        event_id=event.id, type_code=event.type, source=event.source, occurred_at=event.occurred_at, payload=supplied
    )
    values |= with_secrets(values, secrets)
    return values, frozenset(secrets).union(*(secret_values.macros(path) for path, _ in hidden))


def console_values() -> dict[str, str]:
    return {"name": settings.XMNOTIFY_CONSOLE_NAME, "url": settings.XMNOTIFY_CONSOLE_URL}


def with_secrets(values: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The values, and the secret ones in their name spaces."""
    found = dict(values)
    for path, secret in secrets.items():
        space, _, name = path.partition(".")
        found[space] = {**found.get(space, {}), name: secret}
    return found


def sealed(secrets: Mapping[str, str], *, hidden: Sequence[tuple[secret_values.Path, Any]]) -> str:
    """What lies beside an event: values by macro, as "enrollment.pin", and those that were `hidden` in its data."""
    kept = {**secrets, _HIDDEN: hidden} if hidden else secrets
    return seal(msgspec.json.encode(kept).decode()) if kept else ""


def _opened(sealed: str) -> tuple[dict[str, str], list[tuple[secret_values.Path, Any]]]:
    kept = msgspec.json.decode(unseal(sealed)) if sealed else {}
    hidden = kept.pop(_HIDDEN, [])
    return kept, hidden


def _kept(row: DeliveryText) -> RenderedText:
    if row.sealed:
        sender, subject, text, html = msgspec.json.decode(unseal(row.sealed), type=tuple[str, str, str, str])
        return RenderedText(sender, subject, text, html, row.sound, tuple(row.empty))
    return RenderedText(row.sender, row.subject, row.text, row.html, row.sound, tuple(row.empty))


def _visible(claim: Claim, *, known: Sources, several: bool) -> tuple[str, ...]:
    """Whom the To header lists: everybody where the template names several or the caller asked for it."""
    broadcast = known.broadcasts.get(claim.broadcast_id) if claim.broadcast_id else None
    if not TRAITS[claim.channel].shared or not (several or (broadcast and broadcast.visible_recipients)):
        return ()
    same = Delivery.objects.filter(channel=claim.channel.value).exclude(state=DeliveryState.SKIPPED)
    found = same.filter(event=claim.event_id, template_version_id=claim.template_version_id).order_by("id")
    return tuple(dict.fromkeys(found.values_list("address", flat=True)))


def _group_key(item: Draft) -> object:
    text = item.text
    if not TRAITS[item.claim.channel].shared or text.masked:
        return item.claim.id  # a shared id is made from the text, which a secret must not be guessed by
    if item.kept:
        return item.kept
    return (_origin(item.claim), text.sender, text.subject, text.text, text.html, text.empty, item.visible_to)


def _envelope(group: Sequence[Draft], *, known: Sources) -> Envelope:
    first = group[0]
    claim, text = first.claim, first.text
    key = first.kept or (claim.id if len(group) == 1 else _shared_id(first))
    event = known.events.get(claim.event_id) if claim.event_id else None
    return Envelope(
        message=Message(
            key=key,
            subject=text.subject,
            text=text.text,
            html=text.html,
            sound=text.sound,
            date=event.received_at if event else known.broadcasts[_origin(claim)].created_at,
            language=claim.language,
            sender=parse_sender(text.sender),
            bare=claim.via_id is not None,
            visible_to=tuple(Recipient(AddressKind.MAIL, address) for address in first.visible_to),
        ),
        claims=tuple(item.claim for item in group),
        new_text=None if first.kept else _new_text(key, text, visible_to=first.visible_to),
    )


def _shared_id(item: Draft) -> UUID:
    text = item.text
    words = f"{text.sender}\0{text.subject}\0{text.text}\0{text.html}"
    return uuid5(_origin(item.claim), hashlib.sha256(words.encode()).hexdigest())


def _origin(claim: Claim) -> UUID:
    origin = claim.broadcast_id or claim.event_id
    assert origin is not None
    return origin


def _new_text(key: UUID, text: RenderedText, *, visible_to: tuple[str, ...]) -> NewText:
    shown = text.masked or text
    sealed = ""
    if text.masked:
        sealed = seal(msgspec.json.encode((text.sender, text.subject, text.text, text.html)).decode())
    return NewText(
        id=key,
        sender=shown.sender,
        subject=shown.subject,
        text=shown.text,
        html=shown.html,
        sound=shown.sound,
        visible_to=list(visible_to),
        empty=list(text.empty),
        sealed=sealed,
    )
