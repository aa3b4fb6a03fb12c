"""Celery's entries; each calls one function."""

from __future__ import annotations

from celery import shared_task
from celery.worker import state

from dispatch import doorbell, upkeep
from dispatch.clock import SystemClock
from dispatch.drain import drain

CLOCK = SystemClock()


@shared_task(name=doorbell.DRAIN_TASK)
def drain_server(*, server_id: int) -> None:
    drain(server_id, clock=CLOCK, stopping=_stopping)


@shared_task(name="dispatch.sweep")
def sweep() -> None:
    upkeep.sweep(now=CLOCK.now())


def _stopping() -> bool:
    return bool(state.should_stop or state.should_terminate)
