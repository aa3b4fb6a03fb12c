"""Whether the same template is just being sent to some of the same people by somebody else."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef

from dispatch.broadcasts import audiences
from dispatch.models import Broadcast
from dispatch.rules.states import BroadcastState

WITHIN = timedelta(minutes=10)


def find(template_id: int, broadcast: Broadcast, *, now: datetime) -> Broadcast | None:
    """The newest broadcast that says the same, was begun within ten minutes and goes to some of the same people."""
    of_template = Broadcast.template_versions.through.objects.filter(
        broadcast=OuterRef("pk"), templateversion__template=template_id
    )
    lately = Broadcast.objects.filter(Exists(of_template), created_at__gt=now - WITHIN, created_at__lte=now)
    for row in lately.exclude(state=BroadcastState.CANCELLED).exclude(pk__in=_repeated(broadcast)).order_by("-id"):
        if row.texts == broadcast.texts and _meet(broadcast, row, now=now):
            return row
    return None


def _repeated(broadcast: Broadcast) -> list[UUID]:
    """The broadcast that it repeats to whom that did not reach, the one that this repeated, and so on."""
    found: list[UUID] = []
    row: Broadcast | None = broadcast
    while row and (earlier := row.audience.get(audiences.AGAIN)):
        found.append(UUID(earlier))
        row = Broadcast.objects.filter(pk=earlier).first()
    return found


def _meet(one: Broadcast, other: Broadcast, *, now: datetime) -> bool:
    mine, theirs = (audiences.devices(each.audience, scope=each.scope, now=now) for each in (one, other))
    if mine.filter(pk__in=theirs.order_by().values("pk")).exists():
        return True
    my_users, their_users = (audiences.everybody(each.audience, scope=each.scope, now=now) for each in (one, other))
    return my_users.filter(pk__in=their_users.order_by().values("pk")).exists()
