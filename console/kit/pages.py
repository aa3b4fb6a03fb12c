"""The console's own pages: Settings, Health, About, Help."""

from __future__ import annotations

import platform
from itertools import groupby
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.generic.base import TemplateView

from console.kit import chapters, registry
from console.kit.registry import Finding, Group, Level, State, Tile
from console.kit.views import ConsoleView

_WORST = [Level.ERROR, Level.WARNING, Level.OK]


class SettingsPage(ConsoleView, TemplateView):
    """A tile a page, with its state."""

    template_name = "console/settings.html"
    title = _("Settings")
    page = "settings"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = groupby(registry.tiles(self.request.user), key=lambda tile: tile.group)
        groups = [{"label": group.label, "tiles": [(tile, tile.state()) for tile in tiles]} for group, tiles in found]
        return super().get_context_data(groups=groups, **kwargs)


class SettingsChildView(ConsoleView):
    """A page below Settings."""

    def get_crumbs(self) -> list[tuple[registry.Words, str]]:
        return [(_("Settings"), "/settings/")]


class HealthPage(SettingsChildView, TemplateView):
    """Every finding, the worst first."""

    template_name = "console/health.html"
    title = _("Health")
    page = "health"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        findings = sorted(registry.health_for(self.request.user), key=_badness)
        return super().get_context_data(findings=findings, **kwargs)


class AboutPage(SettingsChildView, TemplateView):
    template_name = "console/about.html"
    title = _("About")
    page = "about"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        facts = [
            (_("Version"), settings.XMNOTIFY_VERSION),
            (_("Address"), settings.XMNOTIFY_CONSOLE_URL),
            ("Python", platform.python_version()),
            ("Django", django.get_version()),
            (_("Database"), connection.display_name),
            (_("Time zone of these pages"), timezone.get_current_timezone_name()),
        ]
        return super().get_context_data(facts=facts, **kwargs)


class HelpPage(ConsoleView, TemplateView):
    """The list of chapters."""

    template_name = "console/help.html"
    title = _("Help")
    page = "help"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(chapters=chapters.listed(), **kwargs)


class ChapterPage(ConsoleView, TemplateView):
    template_name = "console/chapter.html"
    page = "help"

    def get_title(self) -> registry.Words:
        return self._chapter().title

    def get_crumbs(self) -> list[tuple[registry.Words, str]]:
        return [(_("Help"), reverse("help"))]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(document=self._chapter(), **kwargs)

    def _chapter(self) -> chapters.Chapter:
        try:
            return chapters.chapter(self.kwargs["chapter"])
        except KeyError:
            raise Http404 from None


def register() -> None:
    registry.add_tile(
        Tile(
            "health",
            _("Health"),
            Group.SYSTEM,
            _("Whether servers, workers and database do their part."),
            order=10,
            state=_health_state,
        )
    )
    registry.add_tile(Tile("about", _("About"), Group.SYSTEM, _("Versions and addresses."), order=20))


def _badness(finding: Finding) -> int:
    return _WORST.index(finding.level) if finding.level in _WORST else len(_WORST)


def _health_state() -> State:
    levels = [finding.level for finding in registry.health()]
    if Level.ERROR in levels:
        return State(_("Something does not work"), Level.ERROR)
    if Level.WARNING in levels:
        return State(_("Something needs attention"), Level.WARNING)
    return State(_("All is well"), Level.OK)
