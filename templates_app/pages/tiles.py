"""The tile of the templates on the Settings page, and the way back to them from the Notification Server page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.text import get_text_list
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from console.kit import registry
from console.kit.registry import Group, Level, State, Tile
from templates_app.channels import TRAITS
from templates_app.models import NotificationTemplate
from templates_app.pages.views import PAGE, WAITING, missing_channels


def register() -> None:
    registry.add_tile(
        Tile(
            PAGE,
            _("Notification Templates"),
            Group.NOTIFICATIONS,
            _("What is sent for each kind of event, by mail, SMS and Secure Hub."),
            permission="templates_app.view_notificationtemplate",
            order=30,
            state=_state,
        )
    )
    registry.add_panel("notification-server", source=_way_back, order=10)


def _state() -> State:
    count = NotificationTemplate.objects.kept().count()
    words = ngettext("%d template", "%d templates", count) % count
    return State(words, Level.OK if count else Level.NEUTRAL)


def _way_back(request: HttpRequest, _instance: Any) -> str:
    """Shown to whoever came to set up a channel for a template that is to be added."""
    if not request.session.get(WAITING):
        return ""
    names = get_text_list([traits.name for traits in TRAITS.values() if traits.needs_server], _("and"))
    return render_to_string("templates_app/way_back.html", {"missing": missing_channels(), "names": names}, request)
