"""The Celery application; its settings are in settings.py under CELERY_."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xmnotify.settings")
app = Celery("xmnotify")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
