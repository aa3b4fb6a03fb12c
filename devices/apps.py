"""The app of devices and users, and what it adds to the console."""

from __future__ import annotations

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "devices"

    def ready(self) -> None:
        from devices import import_runs, limits
        from devices.pages import editing, groups, views

        limits.register()
        import_runs.register()
        editing.register()
        views.register()
        groups.register()
