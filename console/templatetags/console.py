"""Template tags of the shell: icons, badges, form rows, times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms, template
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.forms import BoundField
from django.utils.safestring import SafeString

from console.kit import cells, registry
from console.kit.registry import Button

register = template.Library()
register.simple_tag(cells.icon)
register.simple_tag(cells.badge)
register.simple_tag(cells.moment)


@register.filter
def allowed_to(buttons: list[Button], user: AbstractBaseUser | AnonymousUser) -> list[Button]:
    """Those that this user may press."""
    return [button for button in buttons if registry.allowed(user, button)]


@register.filter
def grouped(number: int) -> str:
    """With its thousands apart."""
    return f"{number:,}"


@register.filter
def duration(length: timedelta) -> str:
    """In the unit that fits: 85 ms, 1.8 s, 3 min, 2 h."""
    seconds = length.total_seconds()
    for most, size, unit in ((0.9995, 0.001, "ms"), (99.95, 1, "s"), (5400, 60, "min")):
        if seconds < most:
            return f"{seconds / size:.1f} s" if unit == "s" else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 3600:.0f} h"


@register.filter
def is_switch(field: BoundField) -> bool:
    """A yes or no; with the class "tick" on its widget it is a box to tick instead."""
    widget = field.field.widget
    is_box = isinstance(field.field, forms.BooleanField) and isinstance(widget, forms.CheckboxInput)
    return is_box and "tick" not in widget.attrs.get("class", "")


@register.filter
def with_words(field: BoundField) -> SafeString:
    """The widget, tied to its help and its error for those who hear the page."""
    attributes: dict[str, Any] = {}
    described = [f"{field.auto_id}_error"] if field.errors else []
    described += [f"{field.auto_id}_helptext"] if field.help_text else []
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if field.errors:
        attributes["aria-invalid"] = "true"
    if is_switch(field):
        attributes["role"] = "switch"
    return field.as_widget(attrs=attributes)
