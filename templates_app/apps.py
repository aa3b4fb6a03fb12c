"""The app of notification templates, and what it adds to the console."""

from __future__ import annotations

from django.apps import AppConfig


class TemplatesConfig(AppConfig):
    name = "templates_app"

    def ready(self) -> None:
        from templates_app.pages import impact, tiles

        impact.register()
        tiles.register()
