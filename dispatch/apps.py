"""The app of the flow, and what it adds to the console."""

from __future__ import annotations

from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "dispatch"

    def ready(self) -> None:
        from dispatch import console
        from dispatch.upkeep import retention

        console.register()
        retention.register()
