"""Makes the Celery application the current one in every process that sets Django up, so that the doorbell finds it."""

from django.apps import AppConfig


class XmnotifyConfig(AppConfig):
    name = "xmnotify"

    def ready(self) -> None:
        import xmnotify.celery  # noqa: F401 - once the settings stand
