"""Pages that add, change and delete one object by the edits of its app."""

from __future__ import annotations

import hashlib
from typing import Any, Generic, TypeVar

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm, PasswordInput
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.generic.base import TemplateResponseMixin
from django_htmx.http import HttpResponseClientRedirect

from console.kit import registry
from console.kit.registry import Words
from console.kit.views import ConsoleView, is_fragment
from foundation import audit
from foundation.audit import Snapshot

M = TypeVar("M", bound=models.Model)


class ObjectView(ConsoleView, Generic[M]):
    """A page about one object, or about one that is to be added."""

    model: type[M]

    def get_queryset(self) -> models.QuerySet[M]:
        return self.model._default_manager.all()  # noqa: SLF001 - Django's documented name for it

    def get_object(self) -> M:
        found = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404
        return found

    def get_success_url(self) -> str:
        raise NotImplementedError


class DialogMixin(TemplateResponseMixin, ConsoleView):
    """A page that is also the body of the dialog, `dialog_template`, when htmx asks for it."""

    dialog_template = ""

    def in_dialog(self) -> bool:
        return bool(self.dialog_template) and is_fragment(self.request)

    def get_template_names(self) -> list[str]:
        return [self.dialog_template] if self.in_dialog() else super().get_template_names()

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        response = super().render_to_response({"is_dialog": self.in_dialog(), **context}, **kwargs)
        if self.dialog_template:
            patch_vary_headers(response, ("HX-Request",))
        return response

    def leave(self, url: str) -> HttpResponse:
        """Go on to another page, out of the dialog as well."""
        return HttpResponseClientRedirect(url) if self.in_dialog() else redirect(url)


class FormPage(DialogMixin, ObjectView[M]):
    """A form over one object; without `pk` in the address it adds a new one."""

    form_class: type[ModelForm[M]]
    add_title: Words = ""
    keeps_typed = True

    def get_title(self) -> Words:
        return self.stored_name or self.add_title

    def get_instance(self) -> M:
        """The stored object, or an empty one, which only those who may write see."""
        if "pk" not in self.kwargs and not self.request.user.has_perms(self.all_permissions()):
            raise PermissionDenied
        found = self.get_object() if "pk" in self.kwargs else self.model()
        self.stored_name = str(found) if found.pk else ""
        return found

    def get_form(self, **kwargs: Any) -> ModelForm[M]:
        return self.form_class(instance=self.instance, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.instance = self.get_instance()
        return self.render_to_response(self.get_context_data(form=self.get_form()))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.instance = self.get_instance()
        adding = self.instance.pk is None
        before = audit.snapshot(self.instance)
        form = self.get_form(data=request.POST)
        if form.is_valid() and not self._is_stale(form):
            try:
                saved = self.store(form, before=before)
            except ValidationError as error:
                form.add_error(None, error)
            except ObjectDoesNotExist:  # somebody removed it since it was read
                raise Http404 from None
            else:
                words = _("“%s” was added.") if adding else _("“%s” was saved.")
                messages.success(request, words % saved)
                return self.leave(self.get_success_url())
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def show_again(self, request: HttpRequest) -> HttpResponse:
        """Of the revision that it was opened with, so that what others saved meanwhile is not replaced unseen."""
        self.instance = self.get_instance()
        form = self.get_form(data=request.POST)
        return self.render_to_response(self.get_context_data(form=form, seen=request.POST.get("seen", "")))

    def store(self, form: ModelForm[M], *, before: Snapshot) -> M:
        """Have the edits of its app store it; a ValidationError goes back to the form."""
        raise NotImplementedError

    def seen(self, form: ModelForm[M]) -> str:
        """What tells the stored object apart from what it was before and after."""
        values = {name: getattr(value, "sealed", value) for name, value in form.initial.items() if name in form.fields}
        texts = sorted((name, _plain(value)) for name, value in values.items())
        return hashlib.sha256(repr(texts).encode()).hexdigest()

    def _is_stale(self, form: ModelForm[M]) -> bool:
        """Whether somebody saved the object since this form was opened; the form then says what is different now."""
        if self.instance.pk is None or self.request.POST.get("seen") in {None, self.seen(form)}:
            return False
        form.add_error(None, _("Somebody saved this meanwhile. Save again to replace what is stored now:"))
        for name in form.changed_data:
            now, typed = (_shown(form, name, value) for value in (form.initial.get(name), form.cleaned_data.get(name)))
            words = {"field": form.fields[name].label or name, "now": now, "typed": typed}
            form.add_error(None, _("%(field)s: stored “%(now)s”, typed “%(typed)s”.") % words)
        return True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        adding = self.instance.pk is None
        seen = "" if adding else self.seen(kwargs["form"])
        context = {"instance": self.instance, "adding": adding, "back": self.get_success_url(), "seen": seen}
        return super().get_context_data(**context | kwargs)


def _plain(value: Any) -> str:
    return ", ".join(sorted(str(one) for one in value)) if isinstance(value, list | QuerySet) else str(value)


def _shown(form: ModelForm[Any], name: str, value: Any) -> str:
    return audit.MASK if isinstance(form.fields[name].widget, PasswordInput) else _plain(value)


class DeletePage(ObjectView[M]):
    """Asks and deletes: a page, or the body of the dialog when htmx asks for it."""

    def get_title(self) -> Words:
        return _("Delete “%s”?") % self.instance

    def why_kept(self, instance: M) -> Words:
        """Why it can't be deleted; empty when it can."""
        return ""

    def remove(self, instance: M) -> None:
        """Have the edits of its app delete it; a ValidationError is shown and leaves it in place."""
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.instance = self.get_object()
        dialog = is_fragment(request)
        context = self.get_context_data(
            object=self.instance,
            impacts=registry.impacts(self.instance),
            refusal=self.why_kept(self.instance),
            back=self.get_success_url(),
            action=request.path,
            is_dialog=dialog,
        )
        response = render(request, f"console/confirm_delete{'_body' if dialog else ''}.html", context)
        response.headers["Vary"] = "HX-Request, Cookie"
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.instance = self.get_object()
        refusal = self.why_kept(self.instance)
        if refusal:
            messages.error(request, str(refusal))
            return redirect(self.get_success_url())
        try:
            self.remove(self.instance)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        except ObjectDoesNotExist:  # somebody else was faster
            raise Http404 from None
        else:
            messages.success(request, _("“%s” was deleted.") % self.instance)
        return redirect(self.get_success_url())
