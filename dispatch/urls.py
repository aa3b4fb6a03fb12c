"""Addresses of the pages about what is sent."""

from __future__ import annotations

from django.urls import path

from dispatch.views import DashboardPage

urlpatterns = [path("", DashboardPage.as_view(), name="dashboard")]
