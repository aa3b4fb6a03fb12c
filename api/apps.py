"""The app of the HTTP interface, and what it adds to the console."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        from api.access import views

        views.register()
