"""The app of the flow, and what it adds to the console."""

from __future__ import annotations

from django.apps import AppConfig


class DispatchConfig(AppConfig):
    name = "dispatch"

    def ready(self) -> None:
        from devices import removing
        from dispatch import console
        from dispatch.notify import panels
        from dispatch.outbox import removal
        from dispatch.upkeep import retention

        console.register()
        panels.register()
        retention.register()
        removing.supply(removal.of_person)
