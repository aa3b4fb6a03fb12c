"""The app of servers, and what it adds to the console."""

from __future__ import annotations

from django.apps import AppConfig


class ServersConfig(AppConfig):
    name = "servers"

    def ready(self) -> None:
        from devices import country
        from servers import health, queries
        from servers.carriers import health as carriers_health
        from servers.testing import runs

        health.register()
        carriers_health.register()
        runs.register()
        country.supply(queries.country)
