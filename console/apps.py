"""The console's app, and Django's admin with the console's site."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    name = "console"
    default = True

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in, user_login_failed

        from console.accounts import log_ins, past_log_ins, views
        from console.kit import confirmation, pages
        from console.trail import views as trail

        pages.register()
        views.register()
        trail.register()
        past_log_ins.register()
        user_logged_in.connect(confirmation.note_password, dispatch_uid="console.note_password")
        user_login_failed.connect(log_ins.note_failure, dispatch_uid="console.note_failure")


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """`django.contrib.admin` whose default site is ours; users and groups have pages of their own."""

    default = False
    default_site = "console.kit.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        from django.contrib import admin
        from django.contrib.auth.models import Group, User

        admin.site.unregister([User, Group])
