"""Makes the Celery application the current one in every process that sets Django up, so that wake-ups find it.

And what the project as a whole adds to the console.
"""

from django.apps import AppConfig


class XmnotifyConfig(AppConfig):
    name = "xmnotify"

    def ready(self) -> None:
        import xmnotify.celery  # noqa: F401 - once the settings stand
        from console.kit import registry
        from xmnotify.operations import readiness
        from xmnotify.web import proxies

        registry.add_health(readiness.findings)
        registry.add_health(proxies.health)
