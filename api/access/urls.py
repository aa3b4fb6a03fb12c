"""Addresses of the console's pages about API keys."""

from __future__ import annotations

from django.urls import path

from api.access.views import ApiKeyAddPage, ApiKeyPage, ApiKeyRevokeView, ApiKeysPage

urlpatterns = [
    path("settings/api-keys/", ApiKeysPage.as_view(), name="api-keys"),
    path("settings/api-keys/add/", ApiKeyAddPage.as_view(), name="api-key-add"),
    path("settings/api-keys/<int:pk>/", ApiKeyPage.as_view(), name="api-key"),
    path("settings/api-keys/<int:pk>/revoke/", ApiKeyRevokeView.as_view(), name="api-key-revoke"),
]
