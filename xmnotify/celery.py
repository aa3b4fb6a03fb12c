"""The Celery application; its settings are in settings.py under CELERY_."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, task_prerun, worker_init, worker_ready
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

from xmnotify import private_files

TRANSPORT_ALIASES["filesystem"] = "xmnotify.file_broker:Transport"
TRANSPORT_ALIASES["amqp"] = "xmnotify.amqp_broker:Transport"
TRANSPORT_ALIASES["amqps"] = "xmnotify.amqp_broker:SSLTransport"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xmnotify.settings")
app = Celery("xmnotify")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_YOUNG = 20_000


@task_prerun.connect(weak=False)
def _keep_what_works(**_: Any) -> None:
    """A thread keeps its connection from task to task, as it does from request to request: only a broken one is
    closed. Opening one for each task made every mail that comes alone wait for it.
    """
    close_old_connections()


@worker_init.connect(weak=False)
@beat_init.connect(weak=False)
def _write_for_us_alone(**_: Any) -> None:
    private_files.from_now_on()


@worker_ready.connect(weak=False)
def _collect_less(**_: Any) -> None:
    """A batch of mails is some thousand values that live until it is written: looking for cycles among them, as is
    done every 700 values by default, was a sixth of a worker's work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
