"""What every page of the console is made from: who may see it, what surrounds it, fragments, confirmed deletions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, View

from console.kit import confirmation, interrupted, log_in, times
from console.kit.registry import Words
from console.kit.site import ConsoleSite


class ConsoleView(ContextMixin, View):
    """A page inside the shell, for staff with `permissions`. `page` is the key of its navigation entry or tile.

    One `of_everybody` is not for those limited to groups of users.
    A POST needs `write_permissions` too, and a recent password where the page `asks_password`. `get_crumbs` returns
    words and address of the pages between Home and this one. `show_again`, where a page with a form has it, shows that
    form with what stands in POST and changes nothing; `secrets` are its boxes whose words are not kept for that.
    """

    title: Words = ""
    page = ""
    of_everybody: ClassVar[bool] = False
    permissions: tuple[str, ...] = ()
    write_permissions: tuple[str, ...] = ()
    asks_password = False
    keeps_typed: ClassVar[bool] = False
    secrets: ClassVar[Collection[str]] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not admin.site.has_permission(request):
            typed = interrupted.hold(request, secrets=self.secrets) if self._is_form(request) else ""
            return log_in.supplied().ask(request, typed=typed) if typed else redirect_to_login(request.get_full_path())
        needed = self.permissions if request.method in {"GET", "HEAD", "OPTIONS"} else self.all_permissions()
        if not request.user.has_perms(needed):
            raise PermissionDenied
        if self.of_everybody and log_in.supplied().is_limited(request.user):
            raise PermissionDenied
        if request.method == "POST" and self.asks_password and not confirmation.is_given(request):
            back = request.path if hasattr(self, "get") else reverse(self.page or "admin:index")
            response: HttpResponseBase = confirmation.ask(request, page=self.page, back=back)
        elif request.method == "GET" and self.keeps_typed and (kept := interrupted.take(request)):
            request.POST = kept  # type: ignore[assignment]
            messages.warning(
                request, _("Nothing is saved yet. Here is what you typed, except for secrets: save it now.")
            )
            response = self.show_again(request)
        else:
            response = super().dispatch(request, *args, **kwargs)
        add_never_cache_headers(response)
        return response

    def show_again(self, request: HttpRequest) -> HttpResponse:
        """See the class; of pages with `keeps_typed` alone."""
        raise NotImplementedError

    def _is_form(self, request: HttpRequest) -> bool:
        return request.method == "POST" and self.keeps_typed and bool(request.POST) and not is_fragment(request)

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


def token_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """In place of Django's page for a CSRF token that is missing or old: what was typed into a form of ours is kept."""
    view = getattr(request.resolver_match.func, "view_class", None) if request.resolver_match else None
    form = view if isinstance(view, type) and issubclass(view, ConsoleView) and view.keeps_typed else None
    typed = interrupted.hold(request, secrets=form.secrets) if form and _is_from_here(request) else ""
    if typed and not admin.site.has_permission(request):
        return log_in.supplied().ask(request, typed=typed)
    words = _(
        "It was opened before the last log-in, or this browser keeps no cookies of the console. Nothing was changed."
    )
    if typed:
        interrupted.keep(request, typed)
        words = _(
            "It was opened before the last log-in, so nothing was saved. Open the form again: what you typed is in it, "
            "except for passwords and other secrets."
        )
    back = request.path if hasattr(view, "get") else ""
    return _message(request, status=403, title=_("This page is out of date"), words=words, again=back)


def _is_from_here(request: HttpRequest) -> bool:
    """Whether the browser says that a page of ours posted it."""
    scheme = "https" if request.is_secure() else "http"
    return request.headers.get("Origin") == f"{scheme}://{request.get_host()}"


def _message(request: HttpRequest, *, status: int, title: str, words: str, again: str = "") -> HttpResponse:
    """`again` is the address of the page itself, where opening it once more helps."""
    context = {**admin.site.each_context(request), "title": title, "words": words, "again": again}
    return render(request, "console/message.html", context, status=status)
