"""Takes in what a person sends by hand: a broadcast of a template or of text of one's own, idempotent, then planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from msgspec import Struct, field

from devices import filters
from devices.filters import FilterError
from devices.models import Device, Person
from devices.scope import EVERYBODY, GroupScope
from dispatch.broadcasts import audiences, overlaps, planning
from dispatch.broadcasts.audiences import Audience
from dispatch.broadcasts.planning import Run
from dispatch.intake.accept import ConflictError, recipients_of
from dispatch.intake.subjects import RefusedError
from dispatch.models import Broadcast, Event
from dispatch.outbox import store
from dispatch.outbox.store import NewEvent
from dispatch.rules import states
from dispatch.rules.states import BroadcastState
from dispatch.wakeup import wake_ups
from foundation import audit
from foundation.audit import Action, Actor
from foundation.sql import statements
from foundation.sql.ids import new_uid
from servers.queries import country
from templates_app import queries as templates
from templates_app.channels import ADDRESSED, TRAITS
from templates_app.models import NotificationTemplate
from templates_app.texts import typed, validators
from templates_app.texts.render import Template
from templates_app.texts.typed import Texts
from templates_app.types import ADHOC, BY_CODE
from transports.types import ChannelKind

_NOTHING_TOLD: Mapping[str, Any] = {"data": {}, "reasons": {}}
MOST_NAMED = 10_000
"""So many devices or users are named at most; more are a filter."""


class SendIn(Struct, frozen=True):
    """What is to be sent, its form checked: to a filter's `audience`, to `devices`, to `users`, to bare addresses, the
    `recipients`, or to those whom the broadcast `again` did not reach.

    Devices are named by id, serial number or IMEI, users by id or login name. `message` is text of one's own by
    channel, in place of the template's; without a `template` it is Ad Hoc. Nobody outside of the scope `within` is
    reached.
    """

    template: str = ""
    message: Texts = field(default_factory=dict)
    audience: Audience | None = None
    devices: Sequence[str] = ()
    users: Sequence[str] = ()
    recipients: Mapping[ChannelKind, Sequence[str]] = field(default_factory=dict)
    again: UUID | None = None
    within: GroupScope = EVERYBODY
    channels: frozenset[ChannelKind] | None = None
    expires_at: datetime | None = None
    start: bool = True


class Sender(Struct, frozen=True):
    """Who sends; `origin` is kept with the event, and `idempotency_key` is known of it alone."""

    actor: Actor
    origin: str
    idempotency_key: str = ""
    body_hash: str = ""


class Begun(Struct, frozen=True):
    """The answer: stored, and planned from now on. A replay has the first answer.

    `beside` is a broadcast of the same template that is being sent to some of the same people.
    """

    id: UUID
    replayed: bool = False
    beside: Broadcast | None = None


class OverlapError(Exception):
    """The same template is just being sent to some of the same people, by `other`; nothing was stored."""

    def __init__(self, other: Broadcast) -> None:
        super().__init__("the same template is being sent to some of the same people")
        self.other = other


class Prepared(Struct, frozen=True):
    """A send that is in order, not stored; `run` has its broadcast, `chosen` its template, or those of its event."""

    run: Run
    event: NewEvent
    chosen: Sequence[Template]

    @property
    def kinds(self) -> frozenset[ChannelKind]:
        return frozenset(channel.kind for _template, channel in self.run.channels())


def prepare(send_in: SendIn, *, sender: Sender, now: datetime) -> Prepared:
    """Check what is to be sent as `begin` does, and store nothing. Raises RefusedError."""
    if send_in.expires_at and send_in.expires_at <= now:
        raise RefusedError("expires_at", "past", "This time has passed.")
    template = _template(send_in)
    texts = _texts(send_in, template=template)
    channels = sorted(kind.value for kind in _channels(send_in, template=template, texts=texts))
    broadcast = _broadcast(send_in, sender=sender, name=template.name, channels=channels, texts=texts, now=now)
    event = _event(sender, type_code=template.type, template_id=template.id, payload=_NOTHING_TOLD, now=now)
    return _prepared(broadcast, event, [template])


def prepare_again(broadcast_id: UUID, *, sender: Sender, within: GroupScope, now: datetime) -> Prepared:
    """The same, of what a broadcast said, to those whom it did not reach.

    Raises RefusedError while it has not ended and where it reached everybody, Broadcast.DoesNotExist.
    """
    first = Broadcast.objects.within(within).get(pk=broadcast_id)
    if first.state not in states.ENDED:
        raise RefusedError("state", "not_allowed", "It has not ended: cancel it, or wait for its end.")
    if not audiences.unreached(broadcast_id).within(within).exists():
        raise RefusedError("state", "nobody", "It has reached everybody.")
    event_of_first = Event.objects.filter(broadcast=first.pk).order_by("pk").first()
    assert event_of_first is not None
    send_in = SendIn(again=broadcast_id, within=within)
    broadcast = _broadcast(send_in, sender=sender, name=str(first), channels=first.channels, texts=first.texts, now=now)
    event = _event(
        sender,
        type_code=event_of_first.type,
        template_id=event_of_first.template_id,
        payload=event_of_first.payload,
        now=now,
    )
    return _prepared(broadcast, event, planning.chosen(first))


def begin(send_in: SendIn, *, sender: Sender, now: datetime, repeats: bool) -> Begun:
    """Store the broadcast; its recipients are fixed from now on, and it is planned unless it is not to start.

    Raises RefusedError, ConflictError, and OverlapError unless it `repeats` what is being sent.
    """
    if first := _first(sender):
        return _replayed(first, sender=sender)
    return _store(prepare(send_in, sender=sender, now=now), sender=sender, repeats=repeats, now=now)


def begin_again(broadcast_id: UUID, *, sender: Sender, within: GroupScope, now: datetime) -> Begun:
    """Send what a broadcast said to those whom it did not reach, as a broadcast of its own.

    Raises as `prepare_again` does, ConflictError, and OverlapError where somebody does so already.
    """
    if first := _first(sender):
        return _replayed(first, sender=sender)
    prepared = prepare_again(broadcast_id, sender=sender, within=within, now=now)
    return _store(prepared, sender=sender, repeats=False, now=now)


def _store(prepared: Prepared, *, sender: Sender, repeats: bool, now: datetime) -> Begun:
    broadcast, template = prepared.run.broadcast, prepared.chosen[0]
    with transaction.atomic():
        # Two who send it at the same moment come one after the other, and the second gets to know of the first.
        NotificationTemplate.objects.select_for_update(no_key=True).get(pk=template.id)
        if first := _first(sender):
            return _replayed(first, sender=sender)
        beside = overlaps.find(template.id, broadcast, now=now)
        if beside and not repeats:
            raise OverlapError(beside)
        if not store.store([prepared.event], planned=[], now=now):  # the key came with another template meanwhile
            return _replayed(Event.objects.get(**_of_key(sender)), sender=sender)
        broadcast.save(force_insert=True)
        broadcast.template_versions.set([each.texts.version_id for each in prepared.chosen])
        Event.objects.filter(pk=prepared.event.id).update(broadcast=broadcast)
        audit.record(sender.actor, action=Action.ADD, instance=broadcast, after=shown(broadcast))
        if broadcast.state == BroadcastState.PLANNING:
            transaction.on_commit(partial(wake_ups.wake_planner, broadcast.pk))
    return Begun(broadcast.pk, beside=beside)


def _broadcast(
    send_in: SendIn, *, sender: Sender, name: str, channels: Sequence[str], texts: Texts, now: datetime
) -> Broadcast:
    return Broadcast(
        name=name,
        audience=_audience(send_in),
        groups=None if send_in.within.groups is None else sorted(send_in.within.groups),
        channels=channels,
        texts=texts,
        state=(BroadcastState.PLANNING if send_in.start else BroadcastState.PLANNED).value,
        created_at=now,
        created_by_id=sender.actor.user.pk if sender.actor.user else None,
        sent_by=sender.actor.name[:255],
        sent_from=sender.actor.address,
        expires_at=send_in.expires_at,
    )


def _event(
    sender: Sender, *, type_code: str, template_id: int | None, payload: Mapping[str, Any], now: datetime
) -> NewEvent:
    return NewEvent(
        id=new_uid(),
        type=type_code,
        source=settings.XMNOTIFY_CONSOLE_NAME,
        origin=sender.origin,
        occurred_at=now,
        received_at=now,
        idempotency_key=sender.idempotency_key,
        body_hash=sender.body_hash,
        template_id=template_id,
        payload=payload,
    )


def _prepared(broadcast: Broadcast, event: NewEvent, chosen: Sequence[Template]) -> Prepared:
    return Prepared(planning.run_of(broadcast, event=event, chosen=chosen), event, chosen)


def shown(broadcast: Broadcast) -> dict[str, Any]:
    """What the audit trail has of a broadcast; whom it names, by number."""
    named = {name: len(ids) for name in (audiences.DEVICES, audiences.USERS) if (ids := broadcast.audience.get(name))}
    return {
        "template": broadcast.name,
        "audience": named or broadcast.audience,
        "channels": broadcast.channels,
        "own text": bool(broadcast.texts),
    }


def _first(sender: Sender) -> Event | None:
    if not sender.idempotency_key:
        return None
    return Event.objects.filter(**_of_key(sender)).first()


def _of_key(sender: Sender) -> dict[str, str]:
    return {"origin": sender.origin, "idempotency_key": sender.idempotency_key}


def _replayed(first: Event, *, sender: Sender) -> Begun:
    if first.body_hash != sender.body_hash or first.broadcast_id is None:
        raise ConflictError("This idempotency key was used before with another body; use a new key for a new one.")
    return Begun(first.broadcast_id, replayed=True)


def _template(send_in: SendIn) -> Template:
    """The one named; the predefined Ad Hoc template for text of one's own."""
    if send_in.template:
        found = statements.result_of(templates.named(send_in.template))
        if found is None:
            raise RefusedError("template", "unknown", f"There is no template {send_in.template!r}.")
    elif send_in.message:
        row = NotificationTemplate.objects.kept().select_related("current").get(type=ADHOC, predefined=True)
        return templates.as_template(row)
    else:
        raise RefusedError("template", "required", "Give a template, or a message of your own.")
    row = NotificationTemplate.objects.select_related("current").get(pk=found.id)
    if not BY_CODE[found.type].manual or not (send_in.message or templates.manual_sending_supported(row)):
        detail = f"The template {found.name!r} can't be sent by hand: it needs what only its event tells."
        raise RefusedError("template", "not_manual", detail)
    return found


def _texts(send_in: SendIn, *, template: Template) -> dict[str, dict[str, str]]:
    """The message as it is kept, with the recipients of the template's channels."""
    kind, stored = BY_CODE[template.type], template.texts.channels
    texts: dict[str, dict[str, str]] = {}
    for name, given in send_in.message.items():
        channel = ChannelKind(name)
        if channel not in kind.channels:
            raise RefusedError(f"message.{name}", "unsupported", "This type of template has no such channel.")
        texts[name] = {key: value for key, value in given.items() if value}
        if channel in ADDRESSED:
            entries = stored[channel].recipients if channel in stored else ()
            texts[name]["recipient"] = "; ".join(entry.source for entry in entries) or kind.recipient(channel)
    _check(texts, template=template)
    return texts


def _check(texts: Texts, *, template: Template) -> None:
    for name, given in texts.items():
        for required in TRAITS[ChannelKind(name)].required - {"recipient"}:
            if not given.get(required, "").strip():
                raise RefusedError(f"message.{name}.{required}", "required", "This field is required.")
    content = typed.content(texts)
    findings = validators.check(content, kind=BY_CODE[template.type], ready=(), before=content, country=country())
    for finding in findings:
        if not finding.warning:
            raise RefusedError(f"message.{finding.field}", finding.code, finding.message)
    if not content.allows_manual_sending():
        raise RefusedError("message", "not_manual", "A reason that only an event tells can't be sent by hand.")


def _channels(send_in: SendIn, *, template: Template, texts: Texts) -> list[ChannelKind]:
    """Those of the channels with a text that are wanted. Raises RefusedError where none is left, or one has no text."""
    said = [ChannelKind(name) for name in texts] or [
        kind for kind, channel in template.texts.channels.items() if channel.active and not channel.is_empty
    ]
    if not said:
        raise RefusedError("template", "no_text", f"The template {template.name!r} has no active channel with a text.")
    if send_in.channels is None:
        return said
    for kind in sorted(send_in.channels - set(said)):
        raise RefusedError("channels", "no_text", f"There is no text for {kind.value}; there is for {', '.join(said)}.")
    if not send_in.channels:
        raise RefusedError("channels", "required", "Choose a channel.")
    return [kind for kind in said if kind in send_in.channels]


def _audience(send_in: SendIn) -> Audience:
    given = [
        name
        for name, value in (
            ("audience", send_in.audience is not None),
            ("devices", send_in.devices),
            ("users", send_in.users),
            ("recipients", send_in.recipients),
            ("again", send_in.again),
        )
        if value
    ]
    if len(given) != 1:
        raise RefusedError("audience", "one_of", "Give one of audience, devices and users.")
    if send_in.audience is not None:
        try:
            filters.parse(send_in.audience)
        except FilterError as error:
            raise RefusedError(f"audience.{error.field}".rstrip("."), error.code, error.message) from None
        return send_in.audience
    if send_in.again:
        return {audiences.AGAIN: str(send_in.again)}
    if send_in.recipients:
        return {audiences.ADDRESSES: _addresses(send_in)}
    if send_in.devices:
        rows: QuerySet[Any] = Device.objects.within(send_in.within)
        return {audiences.DEVICES: _named(send_in.devices, rows, keys=("serial", "imei"), field="devices")}
    rows = Person.objects.within(send_in.within)
    return {audiences.USERS: _named(send_in.users, rows, keys=("loginname",), field="users")}


def _addresses(send_in: SendIn) -> dict[str, list[str]]:
    if send_in.within.is_limited:
        detail = "Who is limited to groups of users sends to these users alone, not to addresses."
        raise RefusedError("recipients", "outside", detail)
    here = country()
    return {
        kind.value: [to.address for to in recipients_of(kind, given, country=here)]
        for kind, given in send_in.recipients.items()
    }


def _named(given: Sequence[str], rows: QuerySet[Any], *, keys: Sequence[str], field: str) -> list[str]:
    """The ids of those named by id or one of the keys. Raises RefusedError for one that is not known, or too many."""
    if len(given) > MOST_NAMED:
        raise RefusedError(field, "too_many", f"Name at most {MOST_NAMED:,}; give a filter as audience for more.")
    found: dict[str, str] = {}
    wanted = set(given)
    ids = {text: uid for text in wanted if (uid := _uid(text))}
    for uid in rows.filter(uid__in=ids.values()).values_list("uid", flat=True):
        found |= {text: str(uid) for text, known in ids.items() if known == uid}
    for key in keys:
        left = [text for text in wanted - set(found) if text]
        fold, by = (str.lower, "loginname__lower__in") if key == "loginname" else (str, f"{key}__in")
        known = rows.filter(**{by: {fold(text) for text in left}}).values_list(key, "uid")
        uids = {fold(value): str(uid) for value, uid in known}
        found |= {text: uids[fold(text)] for text in left if fold(text) in uids}
    for place, text in enumerate(given):
        if text not in found:
            raise RefusedError(f"{field}.{place}", "unknown", f"There is none with {text[:100]!r}.")
    return list(dict.fromkeys(found[text] for text in given))


def _uid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
