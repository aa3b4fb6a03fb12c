"""The filters of lists."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class ListFilter(forms.Form):
    """All is optional; what can't be read filters nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def given(self) -> dict[str, Any]:
        """What is asked for, by field."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class NameFilter(ListFilter):
    name = forms.CharField(label=_("Name"), max_length=255)


class Day(forms.DateField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.DateInput(attrs={"type": "date"}), **kwargs)


def choices(*pairs: tuple[str, Any]) -> list[tuple[str, Any]]:
    """Those of a filter, with one for all."""
    return [("", _("All")), *pairs]


def start_of(day: date) -> datetime:
    """The first moment of this day in the zone of the page; at the calendar's ends the first or last there is."""
    try:
        return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone()).astimezone(UTC)
    except OverflowError:
        return _FIRST if day.year == 1 else _LAST


def end_of(day: date) -> datetime:
    """The first moment after this day; after the calendar's last day there is none, and it is that day's last."""
    return _LAST if day == date.max else start_of(day + timedelta(days=1))
