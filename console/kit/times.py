"""Times as people read them: in the zone of whoever looks at the page, and how long ago."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

_UPTO = {"minute": "%Y-%m-%d %H:%M", "second": "%Y-%m-%d %H:%M:%S"}


def exact(at: datetime, *, upto: str = "minute") -> str:
    """In the zone of the page, to the "minute" or "second"."""
    return _local(at).strftime(_UPTO[upto])


def exact_day(at: datetime) -> str:
    """The day in the zone of the page."""
    return f"{_local(at):%Y-%m-%d}"


def relative(at: datetime) -> str:
    """How long ago, or until when."""
    now = timezone.now()
    if abs((now - at).total_seconds()) < 60:
        return _("just now") if at <= now else _("in a moment")
    if at <= now:
        return _("%(time)s ago") % {"time": timesince(at, now, depth=1)}
    return _("in %(time)s") % {"time": timesince(now, at, depth=1)}


def _local(at: datetime) -> datetime:
    try:
        return timezone.localtime(at)
    except OverflowError:  # at the calendar's ends
        return at
