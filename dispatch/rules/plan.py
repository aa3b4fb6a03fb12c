"""One event, its texts and whom it reaches become planned deliveries, or the reasons why there is none; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from devices.values import Target
from dispatch.rules.states import DeliveryState
from servers.carriers import matching
from servers.values import KIND_OF_ADDRESS, KINDS_OF_CHANNEL, CarrierRoute, Route, ServerKind
from templates_app.channels import ADDRESSED, TRAITS, Addresses
from templates_app.macros.recipients import Entry, entries, fill
from templates_app.texts.render import ChannelTexts, Template, values_missing
from templates_app.types import ADHOC
from transports.types import AddressKind, ChannelKind, Reason, ReasonCode, Recipient, Scope

_SUPPLIED_SPACES = ("certificate", "enrollment", "server")
_ADMINS, _OWNERS = frozenset({"admin"}), frozenset({"user", "device"})
_KNOWN = _ADMINS | _OWNERS
_DUE, _SKIPPED = DeliveryState.DUE.value, DeliveryState.SKIPPED.value


class Planned(Struct, frozen=True):
    """One delivery to store. `skip` says why it will not be tried; `wait_code` why it has no server yet.

    `own`: `to` is the user's or the device's own address, not another that the template or the event names.
    `via_id` is the carrier gateway whose mail address `to` is, for an SMS that goes as a mail.
    """

    id: UUID
    channel: ChannelKind
    server_kind: ServerKind
    to: Recipient
    expires_at: datetime
    event_id: UUID | None = None
    broadcast_id: UUID | None = None
    template_version_id: int | None = None
    rule_id: int | None = None
    server_id: int | None = None
    via_id: int | None = None
    person_id: int | None = None
    device_id: int | None = None
    own: bool = False
    language: str = ""
    time_zone: str = ""
    priority: int = 5
    hold_unknown: bool = False
    skip: Reason | None = None
    wait_code: str = ""

    @property
    def state(self) -> str:
        return _SKIPPED if self.skip else _DUE

    @property
    def reason_code(self) -> str:
        return self.skip.code.value if self.skip else self.wait_code

    @property
    def reason_detail(self) -> str:
        return self.skip.detail if self.skip else ""


class Occasion(Struct, frozen=True):
    """What is planned for: the event's values, and what holds for all its deliveries.

    `values` are the name spaces besides user and device. `extra` adds addresses, `admins` are the values of `admin.*`,
    one mapping an administrator. `new_id` makes delivery ids.
    """

    event_id: UUID
    values: Mapping[str, Any]
    received_at: datetime
    expires_at: datetime | None
    priority: int
    new_id: Callable[[], UUID]
    extra: Mapping[ChannelKind, Sequence[Recipient]] | None = None
    admins: Sequence[Mapping[str, str]] = ()


class Way(Struct, frozen=True):
    """A channel of a template that is used, and the rule that asked for it."""

    template: Template
    rule_id: int | None
    channel: ChannelTexts


class Ways(Struct, frozen=True):
    """The channels of several templates that are used, the same for many events, and notes of those left out.

    `uses_supplied`: a recipient is written with values that the event itself supplies, or a text is pointless without
    them. `to_administrators`: one is an administrator.
    """

    templates: tuple[Template, ...]
    used: tuple[Way, ...]
    notes: tuple[str, ...]
    uses_supplied: bool
    to_administrators: bool


class _Reached(Struct, frozen=True):
    """An address as it was named, and why it can't be used. `own`: it is that of the user or the device."""

    to: Recipient
    skip: Reason | None = None
    own: bool = False


class Plan(Struct, frozen=True):
    deliveries: tuple[Planned, ...]
    notes: tuple[str, ...]


def ways(
    templates: Sequence[tuple[Template, int | None]],
    *,
    only: frozenset[ChannelKind] | None,
    routes: Mapping[ServerKind, Route],
) -> Ways:
    """How every (template, rule) is sent; `only` narrows the template's active channels."""
    used: list[Way] = []
    notes: list[str] = []
    served = any_served([template for template, _ in templates], only=only, routes=routes)
    for template, rule_id in templates:
        chosen, left_out = channels(template, only=only, routes=routes, any_served=served)
        used += [Way(template, rule_id, channel) for channel in chosen]
        notes += left_out
    return Ways(
        templates=tuple(template for template, _ in templates),
        used=tuple(used),
        notes=tuple(dict.fromkeys(notes)),
        uses_supplied=any(
            way.channel.requires_values or any(entry.spaces - _KNOWN for entry in way.channel.recipients)
            for way in used
        ),
        to_administrators=any("admin" in entry.spaces for way in used for entry in way.channel.recipients),
    )


def plan(occasion: Occasion, *, ways: Ways, target: Target, routes: Mapping[ServerKind, Route]) -> Plan:
    """Plan every way for one target: one delivery for each address and channel, no address twice."""
    found: list[tuple[Recipient, Planned]] = []
    for way in ways.used:
        template = way.template
        expires_at = occasion.expires_at or occasion.received_at + template.lifetime
        pointless = _pointless(way.channel, occasion=occasion, target=target)
        for each in _reached(way.channel, occasion=occasion, target=target, routes=routes):
            skip = each.skip or pointless
            to, via = _sent_to(each, routes=routes, target=target)
            kind = KIND_OF_ADDRESS[to.kind]
            route = routes.get(kind)
            planned = Planned(
                id=occasion.new_id(),
                channel=way.channel.kind,
                server_kind=kind,
                to=to,
                expires_at=expires_at,
                event_id=occasion.event_id,
                template_version_id=template.texts.version_id,
                rule_id=way.rule_id,
                server_id=None if skip or not route else route.server_id,
                via_id=via.gateway_id if via else None,
                person_id=target.person_id,
                device_id=target.device_id,
                own=each.own,
                language=target.language,
                time_zone=target.time_zone,
                priority=occasion.priority,
                hold_unknown=template.hold_unknown,
                skip=skip,
                wait_code="" if skip or route else ReasonCode.NO_ACTIVE_SERVER.value,
            )
            found.append((each.to, planned))
    return Plan(deliveries=tuple(_once(found)), notes=ways.notes)


def to_those_named(template: Template) -> Template:
    """An Ad Hoc template without a Recipient goes to those whom its event is about."""
    if template.type != ADHOC:
        return template
    channels = {
        kind: structs.replace(channel, recipients=entries(f"${{user.{ADDRESSED[kind].macro}}}"))
        if kind in ADDRESSED and not channel.recipients
        else channel
        for kind, channel in template.texts.channels.items()
    }
    return structs.replace(template, texts=structs.replace(template.texts, channels=channels))


def _pointless(channel: ChannelTexts, *, occasion: Occasion, target: Target) -> Reason | None:
    """Why its text in the target's language is better not sent."""
    if not channel.requires_values:
        return None
    values = {**occasion.values, "user": target.user, "device": target.device}
    missing = values_missing(channel, values, language=target.language)
    return Reason(ReasonCode.VALUE_MISSING, Scope.MESSAGE, f"empty: {', '.join(missing)}") if missing else None


def event_values(
    *, event_id: UUID, type_code: str, source: str, occurred_at: datetime, payload: Mapping[str, Any]
) -> dict[str, Any]:
    """The name spaces that come from the event itself; its data fills those of things that happen to no device."""
    data = payload.get("data", {})
    supplied = {name: data[name] for name in _SUPPLIED_SPACES if isinstance(data.get(name), Mapping)}
    return {
        **supplied,
        "event": {
            "type": type_code,
            "id": str(event_id),
            "source": source,
            "occurred_at": occurred_at.isoformat(),
            "data": data,
            "reasons": payload.get("reasons", {}),
        },
    }


def any_served(
    templates: Iterable[Template], *, only: frozenset[ChannelKind] | None, routes: Mapping[ServerKind, Route]
) -> bool:
    """Whether a channel of any of them that says something has an active server."""
    wanted = (channel for template in templates for channel in _wanted(template, only=only) if not channel.is_empty)
    return any(_has_server(channel.kind, routes=routes) for channel in wanted)


def _wanted(template: Template, *, only: frozenset[ChannelKind] | None) -> list[ChannelTexts]:
    return [
        channel
        for channel in template.texts.channels.values()
        if channel.active and (only is None or channel.kind in only)
    ]


def channels(
    template: Template,
    *,
    only: frozenset[ChannelKind] | None,
    routes: Mapping[ServerKind, Route],
    any_served: bool,
) -> tuple[list[ChannelTexts], list[str]]:
    """The channels to use, and notes of those left out.

    Those of a predefined template need an active server where any channel of the templates sent with it has one.
    """
    wanted = _wanted(template, only=only)
    if not wanted:
        return [], [f"Template {template.name!r} has no active channel to use."]
    notes = [
        f"Template {template.name!r}: {channel.kind.value} is left out, it has no text."
        for channel in wanted
        if channel.is_empty
    ]
    wanted = [channel for channel in wanted if not channel.is_empty]
    served = [channel for channel in wanted if _has_server(channel.kind, routes=routes)]
    if not template.predefined or not any_served:
        return wanted, notes
    return served, notes + [
        f"Template {template.name!r}: {channel.kind.value} is left out, it has no active server."
        for channel in wanted
        if channel not in served
    ]


def _has_server(channel: ChannelKind, *, routes: Mapping[ServerKind, Route]) -> bool:
    return any(kind in routes for kind in KINDS_OF_CHANNEL[channel])


def _reached(
    channel: ChannelTexts, *, occasion: Occasion, target: Target, routes: Mapping[ServerKind, Route]
) -> Iterator[_Reached]:
    """Each address of one channel."""
    extra = (occasion.extra or {}).get(channel.kind, ())
    yield from (_Reached(to) for to in extra)
    addresses = TRAITS[channel.kind].addresses
    if addresses is None:
        yield from (_Reached(Recipient(token.kind, token.value), own=True) for token in target.tokens)
        if not target.tokens and not extra:
            kind = AddressKind.FCM if target.device.get("platform") == "ANDROID" else AddressKind.APNS
            yield _Reached(
                Recipient(kind, ""),
                _about_recipient(ReasonCode.NO_PUSH_TOKEN, "no device has a live push token"),
                own=True,
            )
        return
    for entry in channel.recipients:
        yield from _entry(entry, addresses, occasion=occasion, target=target, routes=routes)


def _entry(
    entry: Entry, addresses: Addresses, *, occasion: Occasion, target: Target, routes: Mapping[ServerKind, Route]
) -> Iterator[_Reached]:
    spaces = entry.spaces
    own = not spaces.isdisjoint(_OWNERS)
    values = {**occasion.values, "user": target.user, "device": target.device}
    kind = addresses.kind
    name = str(target.user.get("displayname") or "") if "user" in spaces else ""
    country = routes[ServerKind.SMS].country if ServerKind.SMS in routes else ""
    people = [{**values, "admin": admin} for admin in occasion.admins] if "admin" in spaces else [values]
    if not people:
        yield _Reached(Recipient(kind, ""), _about_recipient(ReasonCode.NO_ADDRESS, "no administrator has an address"))
    for known in people:
        filled = fill(entry, known, spaced=kind is AddressKind.PHONE)
        if not filled.address:
            reason = _about_recipient(ReasonCode.NO_ADDRESS, filled.reason)
            yield _Reached(Recipient(kind, "", name), reason, own=own)
            continue
        to, skip = _address(filled.address, addresses, name=name, country=country)
        if skip is None and kind is AddressKind.PHONE and target.has_sim is False and spaces - _ADMINS:
            skip = _about_recipient(ReasonCode.NO_SIM, "no device has a SIM")
        yield _Reached(to, skip, own=own)


def _address(raw: str, addresses: Addresses, *, name: str, country: str) -> tuple[Recipient, Reason | None]:
    try:
        return Recipient(addresses.kind, addresses.normalise(raw, country), name), None
    except ValueError as error:
        return Recipient(addresses.kind, raw, name), _about_recipient(ReasonCode.ADDRESS_INVALID, str(error))


def _sent_to(
    reached: _Reached, *, routes: Mapping[ServerKind, Route], target: Target
) -> tuple[Recipient, CarrierRoute | None]:
    """The address itself, or the one that its carrier gives a phone."""
    to = reached.to
    via = _carrier(reached, routes=routes, target=target) if to.kind is AddressKind.PHONE and not reached.skip else None
    if via is None:
        return to, None
    return Recipient(AddressKind.MAIL, matching.address(via, number=to.address), to.name), via


def _carrier(reached: _Reached, *, routes: Mapping[ServerKind, Route], target: Target) -> CarrierRoute | None:
    """The carrier gateway of a phone, where the SMS gateway uses them and there is an SMTP server to mail through.

    The carrier is that of the device with this number, else of those whose number is not known if the number is their
    user's own. Where these differ, nothing is guessed.
    """
    sms = routes.get(ServerKind.SMS)
    if not sms or not sms.carriers or ServerKind.SMTP not in routes:
        return None
    number = reached.to.address
    names = [phone.carrier for phone in target.phones if phone.number == number]
    if not names and reached.own:
        names = [phone.carrier for phone in target.phones if not phone.number]
    found = {matching.find(sms.carriers, carrier=name, number=number) for name in names}
    return found.pop() if len(found) == 1 else None


def _once(found: Sequence[tuple[Recipient, Planned]]) -> Iterator[Planned]:
    """No address twice from one template, as it was named or as it is sent to; what is skipped, once a channel."""
    seen: set[object] = set()
    if len(found) == 1:
        yield found[0][1]
        return
    for named, row in found:
        origin = (row.template_version_id, row.rule_id, row.skip and row.skip.code)
        keys = {(*origin, to.kind, to.address) for to in (named, row.to)}
        if seen.isdisjoint(keys):
            seen |= keys
            yield row


def _about_recipient(code: ReasonCode, detail: str) -> Reason:
    return Reason(code, Scope.RECIPIENT, detail)
