"""The Celery application; its settings are in settings.py under CELERY_."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xmnotify.settings")
app = Celery("xmnotify")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_YOUNG = 20_000


@worker_ready.connect(weak=False)
def _collect_less(**_: Any) -> None:
    """A batch of mails is some thousand values that live until it is written: looking for cycles among them, as is
    done every 700 values by default, was a sixth of a worker's work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
