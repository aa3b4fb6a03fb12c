"""To me first: the text of a send as one of its recipients would get it, mailed to whoever is about to send it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from msgspec import Struct, structs

from devices.models import Device, Person
from devices.queries import KnownPerson, Subject, known_device, known_person
from devices.scope import GroupScope
from dispatch.broadcasts import audiences, planning
from dispatch.broadcasts.planning import Run
from dispatch.intake.sends import Prepared, Sender
from dispatch.models import Broadcast, Event
from dispatch.outbox import store
from dispatch.outbox.store import NewEvent
from dispatch.rules.states import BroadcastState
from dispatch.wakeup import wake_ups
from foundation import audit
from foundation.audit import Action
from foundation.fingerprints import fingerprint
from foundation.sql.ids import new_uid
from transports.addresses import mail_address
from transports.types import AddressKind, ChannelKind, Recipient

CHANNEL = ChannelKind.SMTP
"""An account has a mail address, and nothing else that it could go to."""
_DEVICE, _PERSON = "d", "p"


class Offered(Struct, frozen=True):
    """A recipient as one of whom the text can be seen; `key` is known to `recipient_of`."""

    key: str
    words: str


def address_of(user: AbstractBaseUser | AnonymousUser) -> Recipient | None:
    """The mail address of an account, None without a valid one."""
    if not isinstance(user, User):
        return None
    try:
        return Recipient(AddressKind.MAIL, mail_address.normalise(user.email), user.get_full_name() or user.username)
    except ValueError:
        return None


def digest(words: str) -> str:
    """By which a repetition is known."""
    return fingerprint(words.encode())


def offered(run: Run, *, most: int) -> list[Offered]:
    """The first of those who get a mail."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for row in planning.outline(run):
        if row.channel is CHANNEL and not row.skip and (row.device_id or row.person_id):
            key = f"{_DEVICE}{row.device_id}" if row.device_id else f"{_PERSON}{row.person_id}"
            found.setdefault(key, (row.person_id, row.device_id))
        if len(found) >= most:
            break
    people = Person.objects.in_bulk([person for person, _device in found.values() if person])
    devices = Device.objects.in_bulk([device for _person, device in found.values() if device])
    words = {
        key: ", ".join(str(each) for each in (people.get(person or 0), devices.get(device or 0)) if each)
        for key, (person, device) in found.items()
    }
    return [Offered(key, said) for key, said in words.items()]


def recipient_of(key: str, *, scope: GroupScope) -> Subject:
    """The recipient with this key, with what macros see of it; nobody for none in the scope."""
    kind, number = key[:1], key[1:]
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return Subject()
    if kind == _DEVICE:
        device = Device.objects.within(scope).select_related("person").filter(pk=int(number)).first()
        return Subject(device=known_device(device)) if device else Subject()
    person = Person.objects.within(scope).filter(pk=int(number)).first()
    return Subject(person=known_person(person)) if person and kind == _PERSON else Subject()


def send(prepared: Prepared, *, to: Recipient, subject: Subject, sender: Sender, now: datetime) -> UUID:
    """Store one mail to this address and to nobody else; returns the id of its broadcast."""
    device = subject.device
    person: KnownPerson | None = device.person if device else subject.person
    broadcast = Broadcast(
        name=prepared.run.broadcast.name,
        audience={audiences.ADDRESSES: {CHANNEL.value: [to.address]}},
        channels=[CHANNEL.value],
        texts=prepared.run.broadcast.texts,
        state=BroadcastState.RUNNING.value,
        created_at=now,
        created_by_id=sender.actor.user.pk if sender.actor.user else None,
        sent_by=sender.actor.name[:255],
        sent_from=sender.actor.address,
    )
    event = NewEvent(
        id=new_uid(),
        type=prepared.event.type,
        source=settings.XMNOTIFY_CONSOLE_NAME,
        origin=sender.origin,
        occurred_at=now,
        received_at=now,
        template_id=prepared.event.template_id,
        person_id=person.id if person else None,
        device_id=device.id if device else None,
        payload={
            **prepared.event.payload,
            "user": dict(person.values) if person else {},
            "device": dict(device.values) if device else {},
        },
        planned=1,
    )
    run = planning.run_of(broadcast, event=event, chosen=prepared.chosen)
    language = str(person.values.get("language") or "") if person else ""
    zone = person.time_zone if person else ""
    rows = [structs.replace(row, language=language, time_zone=zone) for row in planning.to_addresses(run)]
    with transaction.atomic():
        store.store([event], planned=[], now=now)
        broadcast.save(force_insert=True)
        broadcast.template_versions.set([template.texts.version_id for template in prepared.chosen])
        Event.objects.filter(pk=event.id).update(broadcast=broadcast)
        store.add(rows, now=now)
        audit.record(sender.actor, action=Action.TEST, instance=broadcast, after={"recipient": to.address})
        for server_id in {row.server_id for row in rows if row.server_id}:
            transaction.on_commit(partial(wake_ups.wake, server_id))
    return broadcast.pk
