"""What is left of a person once it is removed: that something was sent, when and how it went, and no word of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Q, TextField, Value, When
from django.utils.translation import gettext as _

from devices import edits as devices
from devices.models import Person
from dispatch.models import Attempt, Delivery, DeliveryText, Event, Receipt, Removed
from dispatch.outbox import deliveries
from dispatch.rules.states import Change, DeliveryState
from foundation.audit import Actor
from transports.types import ReasonCode

CHUNK = 500


def words(now: datetime) -> str:
    """What stands in the place of what was removed."""
    return _("removed with the person on %s") % f"{now:%Y-%m-%d}"


@transaction.atomic
def of_person(person: Person, *, actor: Actor, now: datetime) -> None:
    """Remove a user: open deliveries are cancelled, those that were sent keep no word, then the row goes."""
    about = Event.objects.filter(person=person)
    sent = Delivery.objects.filter(broadcast__isnull=False, person=person)
    ids = {*sent.values_list("pk", flat=True), *Delivery.objects.filter(event__in=about).values_list("pk", flat=True)}
    of_deliveries(ids, now=now)
    of_events(about.values_list("pk", flat=True), now=now)
    devices.remove_user(person, words=words(now), actor=actor)


def of_events(ids: Iterable[UUID], *, now: datetime) -> None:
    """What came with the events goes."""
    for some in _chunks(ids):
        rows = Event.objects.filter(pk__in=some)
        rows.exclude(sealed="").update(sealed=Event.WIPED)
        rows.update(payload={"data": {"removed": words(now)}, "reasons": {}, "user": {}, "device": {}}, notes=[])


def of_deliveries(ids: Iterable[UUID], *, now: datetime) -> None:
    """Those that wait are cancelled. One that is being sent, or that somebody else writes at this moment, is noted,
    and follows when that has come to an end. Called inside a transaction.
    """
    for some in _chunks(ids):
        rows = Delivery.objects.filter(pk__in=some)
        free = deliveries.lock(rows.exclude(state=DeliveryState.CLAIMED))
        free.filter(state__in=Change.CANCEL.before).update(
            state=DeliveryState.CANCELLED, reason_code=ReasonCode.CANCELLED.value, reason_detail=""
        )
        mine = set(free.values_list("pk", flat=True))
        others = rows.exclude(pk__in=mine).values_list("pk", flat=True)
        Removed.objects.bulk_create([Removed(delivery=pk, at=now) for pk in others], ignore_conflicts=True)
        _clear(mine, now=now)


def follow() -> None:
    """Finish what was being sent when it should have been removed; run by the sweep."""
    waiting = list(Removed.objects.order_by("pk")[:CHUNK])
    if not waiting:
        return
    claimed = Delivery.objects.filter(pk__in=[row.delivery for row in waiting], state=DeliveryState.CLAIMED)
    still = set(claimed.values_list("pk", flat=True))
    for row in waiting:
        if row.delivery not in still:
            with transaction.atomic():
                row.delete()
                of_deliveries([row.delivery], now=row.at)


def _clear(ids: Collection[UUID], *, now: datetime) -> None:
    gone = words(now)
    rows = Delivery.objects.filter(pk__in=ids)
    _clear_texts(ids, gone=gone)
    Attempt.objects.filter(delivery__in=ids).update(detail=_if_any("detail", gone), dialogue=_if_any("dialogue", gone))
    Receipt.objects.filter(delivery__in=ids).update(detail=_if_any("detail", gone))
    rows.update(
        address="",
        address_name=gone,
        reason_detail=_if_any("reason_detail", gone),
        person=None,
        language="",
        time_zone="",
    )


def _clear_texts(ids: Collection[UUID], *, gone: str) -> None:
    """A text that others have too says nothing of one of them: it loses the entry in its visible list alone."""
    found = list(Delivery.objects.filter(pk__in=ids, text__isnull=False).values_list("text", "event", "address"))
    events, texts = {event for _text, event, _address in found}, {text for text, _event, _address in found}
    others = Delivery.objects.filter(event__in=events, text__in=texts).exclude(pk__in=ids)
    shared = set(others.values_list("text", flat=True).distinct())
    own = DeliveryText.objects.filter(pk__in=texts - shared)
    own.exclude(sealed="").update(sealed=Event.WIPED)
    names = {name: _if_any(name, gone) for name in ("subject", "text", "html")}
    own.update(sender="", visible_to=[], **names)
    addresses = {address for _text, _event, address in found}
    for text in DeliveryText.objects.filter(pk__in=shared).exclude(visible_to=[]):
        text.visible_to = [address for address in text.visible_to if address not in addresses]
        text.save(update_fields=["visible_to"])


def _if_any(name: str, gone: str) -> Case:
    return Case(When(Q(**{name: ""}), then=F(name)), default=Value(gone), output_field=TextField())


def _chunks(ids: Iterable[UUID]) -> list[list[UUID]]:
    every = list(ids)
    return [every[start : start + CHUNK] for start in range(0, len(every), CHUNK)]
