"""What every page of the console is made from: who may see it, what surrounds it, fragments, confirmed deletions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, View

from console.kit import confirmation, times
from console.kit.registry import Words
from console.kit.site import ConsoleSite


class ConsoleView(ContextMixin, View):
    """A page inside the shell, for staff with `permissions`. `page` is the key of its navigation entry or tile.

    A POST needs `write_permissions` too, and a recent password where the page `asks_password`. `get_crumbs` returns
    words and address of the pages between Home and this one.
    """

    title: Words = ""
    page = ""
    permissions: tuple[str, ...] = ()
    write_permissions: tuple[str, ...] = ()
    asks_password = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path())
        needed = self.permissions if request.method in {"GET", "HEAD", "OPTIONS"} else self.all_permissions()
        if not request.user.has_perms(needed):
            raise PermissionDenied
        if request.method == "POST" and self.asks_password and not confirmation.is_given(request):
            back = request.path if hasattr(self, "get") else reverse(self.page or "admin:index")
            response: HttpResponseBase = confirmation.ask(request, page=self.page, back=back)
        else:
            response = super().dispatch(request, *args, **kwargs)
        add_never_cache_headers(response)
        return response

    def all_permissions(self) -> tuple[str, ...]:
        """What a POST needs."""
        return (*self.permissions, *self.write_permissions)

    def get_title(self) -> Words:
        return self.title

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = {
            **cast("ConsoleSite", admin.site).page_context(self.request, view=self.page),
            "title": self.get_title(),
            "crumbs": self.get_crumbs(),
            "may_write": self.request.user.has_perms(self.all_permissions()),
        }
        return super().get_context_data(**context | kwargs)


class FragmentMixin(View):
    """A part of a page, for htmx alone; anyone else is led to the whole page at `whole_page()`."""

    def whole_page(self) -> str:
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "GET" and not is_fragment(request):
            return redirect(self.whole_page())
        response = super().dispatch(request, *args, **kwargs)
        patch_vary_headers(response, ("HX-Request",))
        return response


def is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _message(
        request,
        status=403,
        title=_("You may not open this page"),
        words=_("Your role lacks the permission for it. An administrator can grant it under Settings, Roles."),
    )


class RemovedError(Http404):
    """What the address names was there and went with time."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RemovedError):
        words = _("It was removed by retention on %(day)s, as old as it was.") % {"day": times.exact_day(exception.at)}
        return _message(request, status=404, title=_("This is not kept any more"), words=words)
    return _message(
        request,
        status=404,
        title=_("This page does not exist"),
        words=_("It may have been deleted, or the address was mistyped."),
    )


def _message(request: HttpRequest, *, status: int, title: str, words: str) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "words": words}
    return render(request, "console/message.html", context, status=status)
