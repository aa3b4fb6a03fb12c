"""What each process of the quick start runs; imported before the processes are forked, so that they share it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path

import celery.apps.worker
import celery.concurrency.solo
import celery.concurrency.thread
import celery.worker.consumer
import kombu.transport.redis
from celery.beat import Service
from django.conf import settings
from django.core.checks.registry import registry
from django.utils.module_loading import import_string
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from simulators.inbox import InboxPage
from simulators.nexmo import NexmoSimulator
from simulators.smtp import SmtpSimulator
from xmnotify.celery import app

MAIL_LEDGER, SMS_LEDGER = "inbox.ledger", "phone.ledger"
_IDLE_SECONDS = 0.5
_PRELOADED = (celery.apps.worker, celery.concurrency.solo, celery.concurrency.thread, celery.worker.consumer, kombu)


def preload_tasks() -> None:
    registry.registered_checks.clear()  # Celery runs Django's checks in each worker, which takes most of its start
    app.loader.import_default_modules()


def preload_pages() -> None:
    """Import middleware too."""
    for middleware in settings.MIDDLEWARE:
        import_string(middleware)
    import_module(settings.ROOT_URLCONF)


def make_queue_folders() -> None:
    """Make the folders in which the broker of files keeps its queues, where that is the broker."""
    for name, value in settings.CELERY_BROKER_TRANSPORT_OPTIONS.items():
        if name.startswith("data_folder") or name == "control_folder":
            Path(str(value)).mkdir(parents=True, exist_ok=True)


def broker(binary: Path, *, socket: Path, var: Path) -> None:
    """Become the embedded Valkey: on a unix socket only, nothing saved to disk. Does not return."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(var),
        "databases": "1",
        "hz": "1",
        "set-proc-title": "no",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    os.execv(binary, [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))])  # noqa: S606


def web(*, host: str, port: int) -> None:
    Server(
        "xmnotify.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=4,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()


def drain_worker() -> None:
    _worker("drain", pool="threads")


def control_worker(schedule: Path) -> None:
    """Sweeps and watches, apart from the drains so that those can't starve it; beat is a thread beside it."""
    beat = Service(app, schedule_filename=str(schedule))
    threading.Thread(target=beat.start, name="beat", daemon=True).start()
    _worker("control", pool="solo")


def simulated_servers(*, smtp_port: int, sms_port: int, inbox_port: int, var: Path) -> None:
    """The simulated mail server and SMS service with their page, until SIGTERM. The ledgers begin anew."""
    mails, texts = var / MAIL_LEDGER, var / SMS_LEDGER
    for ledger in (mails, texts):
        ledger.unlink(missing_ok=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with (
        SmtpSimulator(port=smtp_port, ledger=mails) as smtp,
        NexmoSimulator(port=sms_port, ledger=texts, look=_IDLE_SECONDS) as nexmo,
        InboxPage(smtp, nexmo=nexmo, port=inbox_port, look=_IDLE_SECONDS),
    ):
        signal.sigwait({signal.SIGTERM})


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
