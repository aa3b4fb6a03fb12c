"""What a template's texts become for one user, device and event, before it is saved, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext as _
from msgspec import Struct, field

from devices import coverage
from devices.models import Device, Person, folded, keyed
from devices.queries import Subject, find_targets, known_device, known_person
from devices.scope import GroupScope
from devices.values import DEVICE_NAMES, USER_FIELDS
from templates_app.channels import CHANNELS, TRAITS, Traits
from templates_app.macros.grammar import parse
from templates_app.macros.names import sample_values
from templates_app.macros.problems import MacroError
from templates_app.macros.tree import Reference
from templates_app.texts import validators
from templates_app.texts.content import Channel, Content, fields_of
from templates_app.texts.render import RenderedText, compiled, render
from templates_app.texts.validators import Finding
from templates_app.types import TemplateType
from transports.addresses import segments
from transports.addresses.segments import Segments
from transports.types import ChannelKind, Reason

_FILLING = frozenset({"default", "count"})


class Events(Protocol):
    """Events that a preview can be made for; the room above registers them."""

    def recent(self, type_code: str, *, scope: GroupScope) -> Sequence[tuple[str, str]]:
        """Id and words of the latest of this type."""

    def values(self, event_id: str, *, scope: GroupScope) -> Mapping[str, Any] | None:
        """The name spaces that the event supplies; None where there is no such event."""


class _NoEvents:
    def recent(self, type_code: str, *, scope: GroupScope) -> Sequence[tuple[str, str]]:
        return ()

    def values(self, event_id: str, *, scope: GroupScope) -> Mapping[str, Any] | None:
        return None


class _Registered(Struct):
    events: Events = field(default_factory=_NoEvents)


_registered = _Registered()


def add_events(events: Events) -> None:
    _registered.events = events


def events() -> Events:
    return _registered.events


class Reader(Struct, frozen=True):
    """For whom a preview is made. `problem` says why it is not whom was asked for, `whose` names user and device."""

    values: Mapping[str, Any]
    whose: str = ""
    language: str = ""
    zone: str = ""
    problem: str = ""


class Shown(Struct, frozen=True):
    """One channel as its reader sees it; `problem` says why there is nothing to see."""

    kind: ChannelKind
    active: bool
    text: RenderedText | None = None
    problem: str = ""
    cut: Segments | None = None

    @property
    def traits(self) -> Traits:
        return TRAITS[self.kind]


def reader(*, user: str, device: str, event: str, language: str, scope: GroupScope) -> Reader:
    """The values of a user (login name or mail), a device (serial or IMEI) and an event in the scope; samples where
    none is.

    Without a device it is the user's own, the one that was seen last where there are several.
    """
    values: dict[str, Any] = sample_values()
    values["console"] = {"name": settings.XMNOTIFY_CONSOLE_NAME, "url": settings.XMNOTIFY_CONSOLE_URL}
    person, machine = _person(user, scope=scope), _device(device, scope=scope)
    if person and not device:
        newest = Device.objects.within(scope).order_by(F("last_access").desc(nulls_last=True), "-pk")
        machine = newest.filter(person=person).first()
    problem = ""
    if user and person is None:
        problem = _("No user has this login name or mail address; sample values are shown.")
    elif device and machine is None:
        problem = _("No device has this serial number or IMEI; sample values are shown.")
    spoken, zone = "en", "UTC"
    if person or machine:
        shown = Subject(known_person(person) if person else None, known_device(machine) if machine else None)
        target = find_targets([shown], reach_phones=False)[0]
        values |= {"user": dict(target.user), "device": dict(target.device)}
        spoken, zone = target.language, target.time_zone
    supplied = events().values(event, scope=scope) if event else None
    for space, own in (supplied or {}).items():
        values[space] = {**values.get(space, {}), **own} if space in {"user", "device"} else own
    whose = " · ".join(_named(person or (machine.person if machine else None), machine))
    return Reader(values, whose=whose, language=language or spoken, zone=zone, problem=problem)


def _named(person: Person | None, machine: Device | None) -> Iterator[str]:
    if person:
        yield str(person)
    if machine:
        yield f"{machine.model} {machine.serial or machine.imei}".strip()


def show(content: Content, *, kind: TemplateType, known: Reader) -> Iterator[Shown]:
    """Every channel of the type, as it would be sent."""
    for channel in sorted(content.channels, key=lambda each: CHANNELS.index(each.kind)):
        yield _shown(channel, known=known)


def _shown(channel: Channel, *, known: Reader) -> Shown:
    try:
        texts = compiled(Content((channel,)))[channel.kind]
    except MacroError:
        problem = _("It can be shown when its mistakes are fixed.")
        return Shown(channel.kind, channel.active, problem=problem)
    made = render(texts, known.values, language=known.language, zone=known.zone)
    if isinstance(made, Reason):
        return Shown(channel.kind, channel.active, problem=made.detail)
    cut = segments.cut(made.text) if TRAITS[channel.kind].in_segments else None
    return Shown(channel.kind, channel.active, text=made, cut=cut)


def findings(content: Content, *, kind: TemplateType, country: str, scope: GroupScope) -> list[Finding]:
    """What the check before saving says of the texts, and which macros are empty for how many in the scope."""
    found = validators.check(
        content, kind=kind, ready=frozenset(ChannelKind), country=country, properties=coverage.properties()
    )
    return [*(each for each in found if each.code != "required"), *_empty(content, scope=scope)]


def _empty(content: Content, *, scope: GroupScope) -> Iterator[Finding]:
    for name, text in fields_of(content):
        for path in _bare(text):
            missing, total = coverage.empty(path, scope=scope)
            if missing:
                whose = _("devices") if path.startswith("device.") else _("users")
                counted = {"path": path, "missing": missing, "total": total, "whose": whose}
                words = _("%(path)s is empty for %(missing)d of %(total)d %(whose)s.") % counted
                yield Finding(name, "empty", words, warning=True)


def _bare(text: str) -> Collection[str]:
    """The names of users and devices in a text that nothing stands in for when they are empty."""
    try:
        macros = list(parse(text).macros())
    except MacroError:
        return ()
    known = coverage.properties() | {f"user.{name}" for name in USER_FIELDS}
    known |= {f"device.{name}" for name in DEVICE_NAMES}
    found = (
        macro.operand.name
        for macro in macros
        if isinstance(macro.operand, Reference)
        and macro.default is None
        and not any(call.name in _FILLING for call in macro.pipes)
    )
    return dict.fromkeys(name for name in found if name in known)


def _person(text: str, *, scope: GroupScope) -> Person | None:
    rows, key = Person.objects.within(scope), folded(text.strip())
    return (rows.filter(loginname__lower=key).first() or rows.filter(mail__lower=key).first()) if text.strip() else None


def _device(text: str, *, scope: GroupScope) -> Device | None:
    rows, key = Device.objects.within(scope).select_related("person"), text.strip()
    return rows.filter(keyed("serial", key)).first() or rows.filter(keyed("imei", key)).first()
