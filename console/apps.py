"""The console's app, and Django's admin with the console's site."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    name = "console"
    default = True

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in, user_login_failed

        from console import access, confirmation, log_ins, pages, past_log_ins, trail

        pages.register()
        access.register()
        trail.register()
        past_log_ins.register()
        user_logged_in.connect(confirmation.note_password, dispatch_uid="console.note_password")
        user_login_failed.connect(log_ins.note_failure, dispatch_uid="console.note_failure")


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """`django.contrib.admin` whose default site is ours; users and groups have pages of their own."""

    default = False
    default_site = "console.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        from django.contrib import admin
        from django.contrib.auth.models import Group, User

        admin.site.unregister([User, Group])
