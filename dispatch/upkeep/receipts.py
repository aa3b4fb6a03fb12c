"""What a service reported later of messages it took: receipts are kept, and their deliveries follow them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Coalesce

from dispatch.models import Attempt, Delivery, Event, Receipt
from dispatch.rules.states import Change, DeliveryState
from transports.addresses.segments import cut
from transports.nexmo.receipts import PartReceipt

CHUNK = 500


def note(reported: PartReceipt, *, gateway_id: int, now: datetime) -> bool:
    """Keep a receipt, once however often it comes; False when no such message went out through this gateway."""
    if not _went_through(reported.reference, gateway_id=gateway_id):
        return False
    reason = reported.reason
    row = Receipt(
        delivery_id=reported.reference,
        part=reported.part,
        status=reported.status,
        code=reported.code,
        delivered=reported.delivered,
        reason_code=reason.code.value if reason else "",
        detail=reason.detail if reason else "",
        told_at=reported.at,
        received_at=now,
    )
    Receipt.objects.bulk_create([row], ignore_conflicts=True)
    follow(reported.reference, now=now)
    return True


def follow(delivery_id: UUID, *, now: datetime) -> None:
    """Let a delivery follow its receipts: delivered once all parts are, undelivered once one is not.

    Other states than those of the change are final. One that is being sent is looked at again by the sweep, when the
    answer to its submission is stored.
    """
    row = Delivery.objects.select_related("text").filter(pk=delivery_id).first()
    if row is None or row.state == DeliveryState.CLAIMED:
        return
    found = _counting(row) if row.state in Change.FOLLOW_RECEIPTS.before else []
    if found and not _change(row, found, now=now):
        return
    Receipt.objects.filter(delivery=delivery_id, early=True).update(early=False)


def follow_early(*, now: datetime) -> int:
    """Look again at deliveries whose receipts came before the answer to their submission; returns how many."""
    waiting = Receipt.objects.filter(early=True).exclude(delivery__state=DeliveryState.CLAIMED)
    ids = list(waiting.values_list("delivery", flat=True).distinct().order_by()[:CHUNK])
    for delivery_id in ids:
        follow(delivery_id, now=now)
    return len(ids)


def _went_through(delivery_id: UUID, *, gateway_id: int) -> bool:
    tried = Attempt.objects.filter(delivery=delivery_id, server=gateway_id)
    return Delivery.objects.filter(pk=delivery_id, server=gateway_id).exists() or tried.exists()


def _counting(row: Delivery) -> Sequence[Receipt]:
    """The receipts that decide: the first final one of each part of the submission; none while some are missing."""
    final = row.receipts.filter(delivered__isnull=False).order_by("id")
    if row.provider_id:
        ids = row.provider_id.split()
        wanted, found = len(set(ids)), final.filter(part__in=ids)
    else:
        since, wanted = _unanswered(row)
        found = final.filter(received_at__gte=since) if since else final.none()
    first: dict[str, Receipt] = {}
    for receipt in found:
        first.setdefault(receipt.part, receipt)
    lost = [receipt for receipt in first.values() if not receipt.delivered]
    return lost or (list(first.values()) if len(first) >= wanted else [])


def _unanswered(row: Delivery) -> tuple[datetime | None, int]:
    """Since when the answers to its submissions were lost, and how many parts its text has; None: they were not."""
    text = row.text
    if text is None or text.sealed not in {"", Event.WIPED}:  # its true length stands encrypted; the answer decides
        return None, 0
    since = None
    for attempt in row.attempts.order_by("-number"):
        if attempt.outcome != Attempt.Outcome.UNKNOWN:
            break
        since = attempt.started_at
    return since, cut(text.text).count


def _change(row: Delivery, found: Sequence[Receipt], *, now: datetime) -> bool:
    """False when the delivery was changed meanwhile."""
    lost = next((receipt for receipt in found if not receipt.delivered), None)
    same = Delivery.objects.filter(pk=row.pk, state=row.state, provider_id=row.provider_id)
    return bool(
        same.update(
            state=DeliveryState.UNDELIVERED if lost else DeliveryState.DELIVERED,
            sent_at=Coalesce("sent_at", now),
            provider_id=row.provider_id or " ".join(receipt.part for receipt in found),
            reason_code=lost.reason_code if lost else "",
            reason_detail=lost.detail if lost else "",
        )
    )
