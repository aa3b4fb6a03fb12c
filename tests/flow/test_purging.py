"""A real control worker removes what is older than its retention, while it goes on sweeping."""

from datetime import timedelta

import pytest
from django.utils import timezone

from console.models import Failures
from dispatch.models import Attempt, Delivery, DeliveryText, Event, Receipt, SweepRecord
from dispatch.rules.states import DeliveryState
from dispatch.upkeep.retention import EVENTS
from foundation import retention
from foundation.models import AuditEntry, Purge
from tests import waiting
from tests.db.test_retention import event

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]
S = DeliveryState


def entry(*, age):
    made = AuditEntry.objects.create(actor="a", action="add", object_type="x")
    AuditEntry.objects.filter(pk=made.pk).update(at=timezone.now() - timedelta(days=age))
    return made


def test_what_is_older_than_its_retention_goes_and_the_rest_stays(start_worker):
    old = [event(S.SENT, S.FAILED, age=31) for _ in range(120)]
    kept = [event(S.SENT, age=29), event(S.SENT, age=31)]
    waits = {"state": S.HELD, "reason_code": "no_answer", "expires_at": timezone.now() + timedelta(days=1)}
    Delivery.objects.filter(event=kept[1]).update(**waits)
    entry(age=11)
    recent = entry(age=9)
    Failures.objects.create(counted="account:a", last_at=timezone.now() - timedelta(days=6))
    gone = Delivery.objects.filter(event=old[0]).first().pk
    days = {"EVENTS": "30", "AUDIT": "10", "FAILED_LOG_INS": "5"}
    start_worker("control", pool="solo", **{f"XMNOTIFY_KEEP_{what}_DAYS": number for what, number in days.items()})
    waiting.until(lambda: Purge.objects.filter(what=EVENTS, ended_at__isnull=False).exists())
    assert set(Event.objects.all()) == set(kept)
    assert {model.objects.count() for model in (Delivery, DeliveryText, Attempt, Receipt)} == {len(kept)}
    assert Purge.objects.get(what=EVENTS).removed > 2 * len(old)
    assert retention.removed_at(EVENTS, gone)
    waiting.until(lambda: not Purge.objects.filter(ended_at=None).exists() and not Failures.objects.exists())
    assert list(AuditEntry.objects.all()) == [recent]
    swept = SweepRecord.objects.get().count
    waiting.until(lambda: SweepRecord.objects.get().count > swept)
