"""To whom a broadcast goes: whom a filter holds for, named devices, named users, or those whom another did not reach.

As it is stored: a filter (see devices.filters), {"devices": [ids]}, {"users": [ids]}, {"again": id of a broadcast}, or
{"addresses": {channel: [addresses]}} for typed ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from devices import filters, selection
from devices.models import Device, Person
from devices.scope import GroupScope
from dispatch.models import Delivery, DeliveryQuerySet, Event
from dispatch.rules import states
from templates_app.channels import ADDRESSED
from transports.types import ChannelKind, Recipient

Audience = Mapping[str, Any]
DEVICES, USERS, AGAIN, ADDRESSES = "devices", "users", "again", "addresses"


def devices(audience: Audience, *, scope: GroupScope, now: datetime) -> QuerySet[Device]:
    """The devices in the scope that it goes to; those of named users with them, as a filter over users has them."""
    rows = Device.objects.within(scope)
    match _kind(audience):
        case "devices":
            return rows.filter(uid__in=audience[DEVICES])
        case "users":
            return rows.filter(person__uid__in=audience[USERS])
        case "again":
            return rows.filter(pk__in=unreached(UUID(audience[AGAIN])).values("device"))
        case "addresses":
            return rows.none()
    return selection.devices(filters.parse(audience), scope=scope, now=now)


def people(audience: Audience, *, scope: GroupScope) -> QuerySet[Person]:
    """The users in the scope without a device that it goes to."""
    rows = Person.objects.within(scope)
    match _kind(audience):
        case "devices" | "addresses":
            return rows.none()
        case "users":
            return rows.filter(uid__in=audience[USERS], devices=None)
        case "again":
            alone = unreached(UUID(audience[AGAIN])).filter(device=None)
            return rows.filter(pk__in=alone.values("person"))
    return selection.people_without_devices(filters.parse(audience), scope=scope)


def everybody(audience: Audience, *, scope: GroupScope, now: datetime) -> QuerySet[Person]:
    """All users that it goes to, through a device or without one."""
    owners = devices(audience, scope=scope, now=now).order_by().values("person")
    alone = people(audience, scope=scope).order_by().values("pk")
    return Person.objects.filter(Q(pk__in=owners) | Q(pk__in=alone))


def addresses(audience: Audience, *, scope: GroupScope) -> dict[ChannelKind, list[Recipient]]:
    """The bare addresses that it goes to, by channel; nobody who is limited to groups has any."""
    if scope.is_limited:
        return {}
    pairs: Iterable[tuple[str, str]] = ()
    if _kind(audience) == ADDRESSES:
        pairs = ((kind, address) for kind, given in audience[ADDRESSES].items() for address in given)
    elif _kind(audience) == AGAIN:
        bare = unreached(UUID(audience[AGAIN])).filter(person=None, device=None, via=None).exclude(address="")
        pairs = bare.order_by("id").values_list("channel", "address")
    found: dict[ChannelKind, list[Recipient]] = {}
    for name, address in pairs:
        kind = ChannelKind(name)
        if kind in ADDRESSED:
            found.setdefault(kind, []).append(Recipient(ADDRESSED[kind].kind, address))
    return found


def unreached(broadcast_id: UUID) -> DeliveryQuerySet:
    """What of a broadcast did not arrive, though nobody cancelled it."""
    events = Event.objects.filter(broadcast=broadcast_id)
    return Delivery.objects.filter(event__in=events, state__in=states.UNSUCCESSFUL).order_by()


def wanting(
    audience: Audience, channel: ChannelKind, *, model: type[Device | Person], ids: Sequence[int]
) -> Sequence[int]:
    """Those of these devices or users to whom it goes by this channel.

    Whom another broadcast did not reach gets it by the channels alone by which that was so.
    """
    if _kind(audience) != AGAIN:
        return ids
    missed = unreached(UUID(audience[AGAIN])).filter(channel=channel.value)
    found: Collection[int | None]
    if model is Device:
        found = set(missed.filter(device__in=ids).values_list("device", flat=True))
    else:
        found = set(missed.filter(person__in=ids, device=None).values_list("person", flat=True))
    return [pk for pk in ids if pk in found]


def _kind(audience: Audience) -> str:
    """Which of the forms it has; "filter" for a filter."""
    return next((name for name in (DEVICES, USERS, AGAIN, ADDRESSES) if name in audience), "filter")
