"""The console's app, and Django's admin with the console's site."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    name = "console"
    default = True

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in, user_login_failed
        from django.urls import path

        from console.accounts import (
            factor_views,
            limits,
            lockout,
            log_ins,
            login,
            own_password,
            past_log_ins,
            profile_views,
            sessions,
            views,
        )
        from console.kit import confirmation, log_in, pages
        from console.trail import views as trail

        log_in.supply(
            log_in.LogIn(
                may_enter=sessions.may_enter,
                is_limited=limits.is_limited,
                locked_until=lockout.locked_until,
                ask=login.ask,
                note_log_out=log_ins.note_log_out,
                page=login.LogInPage,
                password_page=own_password.OwnPasswordPage,
                urls=[
                    path("login/code/", login.CodePage.as_view(), name="login-code"),
                    path("profile/", profile_views.ProfilePage.as_view(), name="profile"),
                    path("second_factor/", factor_views.SecondFactorPage.as_view(), name="second-factor"),
                ],
            )
        )
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
