"""The workers of the quick start; imported before they are forked, so that they share what they load."""

from __future__ import annotations

import socket
import sys
from importlib import import_module

from django.core.checks.registry import registry

from xmnotify.celery import app

_SHARED = (
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.log",
    "celery.apps.worker",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "celery.contrib.django.task",
    "celery.events",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "django.db.models.sql.compiler",
    "kombu.transport.redis",
)


def preload() -> None:
    """Import what both workers need, their tasks too."""
    for name in _SHARED:
        import_module(name)
    registry.registered_checks.clear()  # Celery runs Django's checks in each worker, which takes most of its start
    app.loader.import_default_modules()


def drain() -> None:
    _worker("drain", pool="threads")


def control() -> None:
    """Sweeps and watches in a thread (see dispatch.upkeep.beat), apart from drains so that those can't starve it."""
    _worker("control", pool="solo")


def _worker(queue: str, *, pool: str) -> None:
    """A worker as Celery's command line makes it; loading that command line would take a third of its memory."""
    worker = app.Worker(
        hostname=f"{queue}@{socket.gethostname()}",
        queues=[queue],
        pool_cls=pool,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)
