"""The console's AdminSite: Django's admin inside our shell."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from console.kit import chapters, log_in, registry
from console.kit.registry import Entry, Group, Level, Section, Tile


class ConsoleSite(AdminSite):
    site_title = settings.XMNOTIFY_CONSOLE_NAME
    site_header = settings.XMNOTIFY_CONSOLE_NAME
    index_title = _("Console")
    enable_nav_sidebar = False
    logout_template = "console/logged_out.html"
    password_change_template = "console/password_change.html"  # noqa: S105 - a file name
    password_change_done_template = "console/password_change_done.html"  # noqa: S105 - as above

    def has_permission(self, request: HttpRequest) -> bool:
        return log_in.supplied().may_enter(request.user)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return self.page_context(request)

    def page_context(self, request: HttpRequest, *, view: str = "") -> dict[str, Any]:
        """What every page needs; `view` is the key of its navigation entry or tile, else the address decides."""
        context = super().each_context(request)
        return context | {"shell": shell(request, view=view)} if context["has_permission"] else context

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [*log_in.supplied().urls, *super().get_urls()]

    @method_decorator(never_cache)
    def login(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = {**self.each_context(request), "title": _("Log in"), "app_path": request.get_full_path()}
        return log_in.supplied().page.as_view(extra_context=context | (extra_context or {}))(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        context = {**self.each_context(request), **(extra_context or {})}
        return log_in.supplied().password_page.as_view(
            template_name=self.password_change_template,
            success_url=reverse("admin:password_change_done"),
            extra_context=context,
        )(request)

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        if request.method == "POST":
            log_in.supplied().note_log_out(request)
        return super().logout(request, extra_context)

    def index(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The first page that this user may see."""
        first = next(iter(registry.entries(request.user)), None)
        return redirect(first.view if first else "settings")


def shell(request: HttpRequest, *, view: str = "") -> dict[str, Any]:
    """What surrounds a page: tabs, side navigation, banners. `view` is the key of the page's entry or tile."""
    current = view or _stock_view(request)
    section = registry.section_of(current) or (Section.SETTINGS if current == "settings" else None)
    return {
        "current": current,
        "section": section,
        "tabs": _tabs(request, section=section),
        "side": _side(request, section=section),
        "help": chapters.address(request, page=current),
        "banners": [
            found
            for found in registry.health_for(request.user)
            if found.banner and found.level in {Level.WARNING, Level.ERROR}
        ],
    }


def _stock_view(request: HttpRequest) -> str:
    """A ModelAdmin's pages all belong to its change list."""
    match = request.resolver_match
    name = match.view_name if match else ""
    return f"{name.rsplit('_', 1)[0]}_changelist" if name.startswith("admin:") else name


def _tabs(request: HttpRequest, *, section: Section | None) -> list[dict[str, Any]]:
    tabs = []
    for part in Section:
        first = next(iter(registry.entries(request.user, section=part)), None)
        if first:
            tabs.append({"label": part.label, "view": first.view, "current": part is section})
    return tabs


def _side(request: HttpRequest, *, section: Section | None) -> list[dict[str, Any]]:
    """The links beside a page, in named groups: those of Settings there, all others everywhere else."""
    pages: dict[Section | Group, list[Entry | Tile]] = {}
    if section is Section.SETTINGS:
        for tile in registry.tiles(request.user):
            pages.setdefault(tile.group, []).append(tile)
    else:
        for entry in registry.entries(request.user):
            pages.setdefault(entry.section, []).append(entry)
    settings_page = section is Section.SETTINGS
    return [
        {"key": part.value, "label": part.label, "pages": found, "near": settings_page or part is section}
        for part, found in pages.items()
    ]
