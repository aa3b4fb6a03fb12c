"""The console's app, and Django's admin with the console's site."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    name = "console"
    default = True

    def ready(self) -> None:
        from console import pages

        pages.register()


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """`django.contrib.admin` whose default site is ours."""

    default = False
    default_site = "console.site.ConsoleSite"
