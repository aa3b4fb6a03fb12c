"""Celery's entries; each calls one function. And what a worker process does from its start to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import celeryd_after_setup, worker_init, worker_ready, worker_shutdown
from celery.worker import state
from django.conf import settings

from dispatch.broadcasts import planning
from dispatch.dashboard import counting
from dispatch.rules.clock import SystemClock
from dispatch.sending import recovery
from dispatch.sending.drain import drain
from dispatch.upkeep import beat
from dispatch.wakeup import liveness, publisher, wake_ups, workers
from foundation import retention
from foundation.sql import locks

CLOCK = SystemClock()
LONGEST_LOCK = timedelta(seconds=8)


@shared_task(name=wake_ups.DRAIN_TASK)
def drain_server(*, server_id: int) -> None:
    workers.enter(drains=True)
    drain(server_id, clock=CLOCK, stopping=_stopping)


@shared_task(name=wake_ups.PLAN_TASK)
def plan_broadcast(*, broadcast_id: str) -> None:
    planning.plan(UUID(broadcast_id), clock=CLOCK, stopping=_stopping)


@shared_task(name=beat.CANARY_TASK)
def canary(*, about: str) -> None:
    workers.enter(drains=False)  # whoever has nothing to send would miss a pulse that has ended only with its next work
    liveness.beat(about, now=CLOCK.now())


@shared_task(name=beat.COUNT_TASK)
def count() -> None:
    counting.count(now=CLOCK.now())


@shared_task(name=beat.PURGE_TASK)
def purge() -> None:
    retention.step(now=CLOCK.now())


@worker_init.connect
def _wait_for_no_lock_longer_than_a_stop_may_take(**_: Any) -> None:
    locks.wait_at_most(LONGEST_LOCK)


@celeryd_after_setup.connect
def _live(*, instance: Any, **_: Any) -> None:
    """Before the broker is reached, for periodic maintenance does not wait for it."""
    queues = set(instance.app.amqp.queues.consume_from)
    workers.begin(drains=wake_ups.DRAIN_QUEUE in queues)
    if beat.CONTROL_QUEUE in queues:
        beat.start(clock=CLOCK)
        workers.guard(lambda: beat.start(clock=CLOCK))


@worker_ready.connect
def _show_life_immediately(*, sender: Any, **_: Any) -> None:
    recovery.start(clock=CLOCK)
    for queue in sender.app.amqp.queues.consume_from:
        publisher.publish(beat.CANARY_TASK, queue=queue, about=queue)


@worker_shutdown.connect
def _leave(**_: Any) -> None:
    beat.end()
    recovery.finish(within=timedelta(seconds=settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT))
    workers.leave()


def _stopping() -> bool:
    return bool(state.should_stop or state.should_terminate)
