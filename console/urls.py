"""Addresses of the console's own pages."""

from __future__ import annotations

from django.urls import path

from console.accounts.views import (
    AdministratorDeletePage,
    AdministratorPage,
    AdministratorPasswordPage,
    AdministratorsPage,
    RoleDeletePage,
    RolePage,
    RolesPage,
    SecondFactorReset,
)
from console.kit.pages import AboutPage, ChapterPage, HealthPage, HelpPage, SettingsPage
from console.trail.views import AuditPage

urlpatterns = [
    path("settings/", SettingsPage.as_view(), name="settings"),
    path("settings/health/", HealthPage.as_view(), name="health"),
    path("settings/about/", AboutPage.as_view(), name="about"),
    path("settings/administrators/", AdministratorsPage.as_view(), name="administrators"),
    path("settings/administrators/add/", AdministratorPage.as_view(), name="administrator-add"),
    path("settings/administrators/<int:pk>/", AdministratorPage.as_view(), name="administrator"),
    path(
        "settings/administrators/<int:pk>/password/",
        AdministratorPasswordPage.as_view(),
        name="administrator-password",
    ),
    path(
        "settings/administrators/<int:pk>/second-factor/",
        SecondFactorReset.as_view(),
        name="administrator-second-factor",
    ),
    path("settings/administrators/<int:pk>/delete/", AdministratorDeletePage.as_view(), name="administrator-delete"),
    path("settings/roles/", RolesPage.as_view(), name="roles"),
    path("settings/roles/add/", RolePage.as_view(), name="role-add"),
    path("settings/roles/<int:pk>/", RolePage.as_view(), name="role"),
    path("settings/roles/<int:pk>/delete/", RoleDeletePage.as_view(), name="role-delete"),
    path("help/", HelpPage.as_view(), name="help"),
    path("help/<slug:chapter>/", ChapterPage.as_view(), name="help-chapter"),
    path("audit/", AuditPage.as_view(), name="audit"),
]
