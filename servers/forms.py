"""What the forms of all kinds of servers share."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms.models import construct_instance
from django.utils.translation import gettext_lazy as _

from servers import kept_secrets
from servers.models import Server

M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=Server)
SIGN_INS_HELP = _(
    "How often a refused sign-in is tried again by itself, after 1 minute, then every 15, before the server stops; 0 "
    "stops it immediately. Test Configuration and the first sign-in after saving are not counted."
)
UNTESTED = frozenset({"name", "description"})
"""Fields that a test does not need."""


class CheckedForm(forms.ModelForm[M]):
    """A form whose object is checked by one function alone, the one that the API uses too; its room's edits store it.

    An empty secret keeps the stored one, where and how it was sent before; `lost_secrets` are those that were kept of
    an earlier, refused form and can't be any more. A field whose `shown_when` does not hold keeps its stored value too:
    "name" is a switch that is on, "!name" one that is off, "name=one,two" a choice; with a space between, all must
    hold.
    """

    shown_when: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lost_secrets: Collection[str] = ()
        for name in self.secrets:
            self.initial[name] = ""
            if getattr(self.instance, name):
                self._say_when_again(name)

    def _say_when_again(self, name: str) -> None:
        field, bound = self.fields[name], kept_secrets.bound(self._meta.model)[name]
        field.help_text = _("Leave it empty to keep the stored one; for another server or way to it, type it again.")
        stored = {other: self.initial[other] for other in bound}
        field.widget.attrs["data-stored-for"] = json.dumps(stored)

    def say_kept(self, name: str) -> None:
        """That what was typed into the box of this secret, empty now, is still there."""
        self[name].help_text = _("What you typed is kept for this form, for an hour at most.")
        bound = kept_secrets.bound(self._meta.model)[name]
        posted = {other: self._posted(other) for other in bound}
        self.fields[name].widget.attrs["data-stored-for"] = json.dumps(posted)

    def _posted(self, name: str) -> Any:
        value = self[name].data
        return bool(value) if isinstance(self.fields[name], forms.BooleanField) else value or ""

    def check(self, instance: M) -> None:
        """Raises ValidationError with the messages by field."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        """In place of the model's own checks, which `check` does together with ours."""
        for name in set(self.lost_secrets) - set(self.errors):
            self.add_error(
                name, _("What you typed was kept for an hour, and for other settings than now: type it again.")
            )
        self.settle_cleaned()
        self._drop_hidden()
        for name in self.secrets:
            if not self.cleaned_data.get(name):
                self.cleaned_data.pop(name, None)
        self.instance = construct_instance(self, self.instance, self._meta.fields)
        try:
            self.check(self.instance)
        except ValidationError as problems:
            known = set(self.errors)
            for name, found in problems.error_dict.items():
                if name not in known:
                    self.add_error(name, found)

    def settle_cleaned(self) -> None:
        """What the form changes by itself in `cleaned_data`."""

    def _drop_hidden(self) -> None:
        for name, condition in self.shown_when.items():
            if not all(self._holds(part) for part in condition.split()):
                self.cleaned_data.pop(name, None)
                self.errors.pop(name, None)

    def _holds(self, part: str) -> bool:
        name, _equals, values = part.removeprefix("!").partition("=")
        value = self.cleaned_data.get(name, getattr(self.instance, name))
        holds = value in values.split(",") if values else bool(value)
        return holds != part.startswith("!")


class ServerForm(CheckedForm[S], Generic[S]):
    """A server's settings; valid, `instance` can be tested without being stored.

    `main` and `advanced` are its fields in the order of the page.
    """

    main: ClassVar[tuple[str, ...]]
    advanced: ClassVar[tuple[str, ...]]


class RateField(forms.FloatField):
    """Messages or requests per second; whole ones are shown as such."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("Rate limit"), min_value=0, max_value=100_000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return f"{value:g}" if isinstance(value, float) else value


def secret_field(label: Any, *, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, strip=False, widget=widget, help_text=help_text)
