"""Celery's entries; each calls one function."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_init, worker_ready, worker_shutdown
from celery.worker import state
from django.conf import settings

from dispatch import alerts, broadcasts, doorbell, liveness, reaping, recovery, statistics, upkeep, workers
from dispatch.clock import SystemClock
from dispatch.drain import drain
from foundation.sql import locks

CLOCK = SystemClock()
CONTROL_QUEUE = "control"
LONGEST_LOCK = timedelta(seconds=8)
_reaper = reaping.Reaper()


@shared_task(name=doorbell.DRAIN_TASK)
def drain_server(*, server_id: int) -> None:
    workers.enter(drains=True)
    drain(server_id, clock=CLOCK, stopping=_stopping)


@shared_task(name=doorbell.PLAN_TASK)
def plan_broadcast(*, broadcast_id: str) -> None:
    broadcasts.plan(UUID(broadcast_id), clock=CLOCK, stopping=_stopping)


@shared_task(name="dispatch.sweep")
def sweep() -> None:
    _reaper.look(clock=CLOCK)
    upkeep.sweep(now=CLOCK.now())
    alerts.tell(now=CLOCK.now())


@shared_task(name="dispatch.watch")
def watch() -> None:
    liveness.beat(CONTROL_QUEUE, now=CLOCK.now())
    canary.apply_async(queue=doorbell.DRAIN_QUEUE, expires=liveness.SILENT.total_seconds())


@worker_init.connect
def _wait_for_no_lock_longer_than_a_stop_may_take(**_kwargs: Any) -> None:
    locks.wait_at_most(LONGEST_LOCK)


@worker_ready.connect
def _show_life_at_once(**_kwargs: Any) -> None:
    recovery.start()
    watch.apply_async(expires=liveness.SILENT.total_seconds())


@worker_shutdown.connect
def _leave(**_kwargs: Any) -> None:
    recovery.finish(within=timedelta(seconds=settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT))
    workers.leave()


@shared_task(name="dispatch.canary")
def canary() -> None:
    liveness.beat(doorbell.DRAIN_QUEUE, now=CLOCK.now())


@shared_task(name="dispatch.count")
def count() -> None:
    statistics.count(now=CLOCK.now())


def _stopping() -> bool:
    return bool(state.should_stop or state.should_terminate)
