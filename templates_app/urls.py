"""Addresses of the pages below Settings > Notification Templates."""

from __future__ import annotations

from django.urls import path

from templates_app.pages.preview_views import MacroList, MacroNames, PreviewFrame, PreviewView
from templates_app.pages.version_views import ResetPage, VersionList, VersionPage
from templates_app.pages.views import AddTemplate, DeleteTemplate, EditTemplate, TemplateList, Understood

_BASE = "settings/notification-templates/"

urlpatterns = [
    path(_BASE, TemplateList.as_view(), name="notification-templates"),
    path(f"{_BASE}add/", AddTemplate.as_view(), name="template-add"),
    path(f"{_BASE}preview/", PreviewView.as_view(), name="template-preview"),
    path(f"{_BASE}preview/frame/", PreviewFrame.as_view(), name="template-preview-frame"),
    path(f"{_BASE}macros/", MacroNames.as_view(), name="template-macros"),
    path(f"{_BASE}macros/list/", MacroList.as_view(), name="template-macro-list"),
    path(f"{_BASE}<int:pk>/", EditTemplate.as_view(), name="template"),
    path(f"{_BASE}<int:pk>/delete/", DeleteTemplate.as_view(), name="template-delete"),
    path(f"{_BASE}<int:pk>/understood/", Understood.as_view(), name="template-understood"),
    path(f"{_BASE}<int:pk>/reset/", ResetPage.as_view(), name="template-reset"),
    path(f"{_BASE}<int:pk>/versions/", VersionList.as_view(), name="template-versions"),
    path(f"{_BASE}<int:pk>/versions/<int:number>/", VersionPage.as_view(), name="template-version"),
]
