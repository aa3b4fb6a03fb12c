"""Addresses of the console's own pages."""

from __future__ import annotations

from django.urls import path

from console.pages import AboutPage, HealthPage, SettingsPage

urlpatterns = [
    path("settings/", SettingsPage.as_view(), name="settings"),
    path("settings/health/", HealthPage.as_view(), name="health"),
    path("settings/about/", AboutPage.as_view(), name="about"),
]
