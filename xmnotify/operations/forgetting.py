"""Forgets one who is no user: every copy of an address in what was sent, and the proof that none is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Cast
from msgspec import Struct

from devices.models import Person
from dispatch.models import Attempt, Delivery, DeliveryText, Event, Receipt
from dispatch.outbox import removal
from foundation.models import AuditEntry
from foundation.secrets import SealedField, SecretField
from servers.models import ServerTest, ServerTestStage
from servers.queries import country
from transports.addresses import mail_address, phone_number

_TEXTS: dict[type[models.Model], tuple[str, ...]] = {
    DeliveryText: ("sender", "subject", "text", "html"),
    Delivery: ("address_name", "reason_detail"),
    Attempt: ("detail", "dialogue"),
    Receipt: ("detail",),
    ServerTestStage: ("detail",),
}
"""What may hold an address in passing: the whole of it goes, for nothing is replaced inside words."""


class Found(Struct, frozen=True):
    """How many rows of a column hold the address."""

    column: str
    rows: int


def read(given: str) -> str:
    """The address as deliveries have it. Raises ValueError with the reason when it is none."""
    return mail_address.normalise(given) if "@" in given else phone_number.normalise(given, country=country())


def owner(address: str) -> Person | None:
    """The user whose address it is: that one is deleted as a user."""
    return Person.objects.filter(Q(mail__iexact=address) | Q(mobile=address)).first()


@transaction.atomic
def forget(address: str, *, now: datetime) -> int:
    """Remove it from all that was sent, received and noted; returns the number of deliveries to it."""
    ids: list[UUID] = list(Delivery.objects.filter(address__iexact=address).values_list("pk", flat=True))
    removal.of_deliveries(ids, now=now)
    events = {*_holding(Event, "payload", address).values_list("pk", flat=True)}
    events |= {*_holding(Event, "notes", address).values_list("pk", flat=True)}
    removal.of_events(events, now=now)
    ServerTest.objects.filter(to__iexact=address).delete()
    gone = removal.words(now)
    for model, names in _TEXTS.items():
        for name in names:
            _holding(model, name, address).update(**{name: gone})
    for text in _holding(DeliveryText, "visible_to", address):
        text.visible_to = [one for one in text.visible_to if one.casefold() != address.casefold()]
        text.save(update_fields=["visible_to"])
    for name in ("object_name", "before", "after"):
        _holding(AuditEntry, name, address).update(object_name=gone, before={}, after={})
    return len(ids)


def search(address: str) -> Iterator[Found]:
    """Every column of the database that holds readable text, with the rows that have the address in it."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:  # noqa: SLF001 - Django's documented name
            if _is_readable(field):
                name = f"{model._meta.label}.{field.name}"  # noqa: SLF001 - as above
                yield Found(name, _holding(model, field.name, address).count())


def _is_readable(field: models.Field[Any, Any]) -> bool:
    sealed = isinstance(field, SealedField | SecretField)
    return isinstance(field, models.CharField | models.TextField | models.JSONField) and not sealed


def _holding(model: type[models.Model], name: str, address: str) -> QuerySet[Any]:
    """Its rows with the address in this column, as it is or as JSON writes it."""
    rows = model._default_manager.annotate(_words=Cast(name, models.TextField()))  # noqa: SLF001 - as above
    return rows.filter(Q(_words__icontains=address) | Q(_words__icontains=json.dumps(address)[1:-1]))
