"""Whether the workers live: a canary goes through the real queue, for a worker can run and yet be deaf."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from dispatch.models import Pulse

SILENT = timedelta(seconds=90)
"""A queue without a sign of life for so long is taken for dead; the canary flies every 20 seconds."""


def beat(queue: str, *, now: datetime) -> None:
    Pulse.objects.update_or_create(queue=queue, defaults={"at": now})


def silent(queues: Sequence[str], *, now: datetime) -> list[str]:
    """Those of the queues whose workers give no sign of life."""
    alive = set(Pulse.objects.filter(queue__in=queues, at__gt=now - SILENT).values_list("queue", flat=True))
    return [queue for queue in queues if queue not in alive]
