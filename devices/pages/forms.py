"""The filters of the lists of devices and users: fields of a form, which become conditions of `devices.filters`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.kit.filters import ListFilter, choices
from devices import filters
from devices.filters import Filter
from devices.models import Device

STATUS = {
    "jailbroken": (_("Jailbroken or rooted"), "jailbroken", True),
    "out_of_compliance": (_("Out of compliance"), "out_of_compliance", True),
    "gateway_blocked": (_("Blocked by the gateway"), "gateway_blocked", True),
    "unmanaged": (_("Unmanaged"), "managed", False),
}
INACTIVE = {
    "8h": _("More than 8 hours"),
    "1": _("More than 24 hours"),
    "7": _("More than 7 days"),
    "30": _("More than 30 days"),
    "90": _("More than 90 days"),
}
"""By hours ("8h") or days."""
PUSH = {
    "live": _("Live"),
    "stale": _("Not registered for 30 days"),
    "off": _("Off: refused by the push service"),
    "none": _("None"),
}
_PROPERTY = r"^\s*([A-Za-z_][A-Za-z0-9_.-]{0,127})\s*\Z"


class _RecordFilter(ListFilter):
    """`space` is what a property without one in its name is of."""

    space = ""
    search = forms.CharField(label=_("Search"), max_length=255)
    group = forms.CharField(label=_("Group"), max_length=255)
    property = forms.RegexField(
        _PROPERTY, label=_("Property"), widget=forms.TextInput(attrs={"placeholder": _("Its name, such as ROOM")})
    )
    value = forms.CharField(
        label=_("Value"), max_length=255, widget=forms.TextInput(attrs={"placeholder": _("A part; empty for any")})
    )

    def clean_property(self) -> str:
        name: str = self.cleaned_data["property"].strip()
        return name if not name or name.startswith(("device.", "user.")) else f"{self.space}.{name}"


class DeviceFilter(_RecordFilter):
    space = "device"
    status = forms.ChoiceField(
        label=_("Status"), choices=choices(*((key, words) for key, (words, _field, _value) in STATUS.items()))
    )
    platform = forms.ChoiceField(label=_("Platform"), choices=choices(*Device.Platform.choices))
    os_version = forms.CharField(label=_("OS version"), max_length=64)
    ownership = forms.ChoiceField(label=_("Ownership"), choices=choices(*Device.Ownership.choices))
    inactive = forms.ChoiceField(label=_("Inactive for"), choices=choices(*INACTIVE.items()))
    push = forms.ChoiceField(label=_("Push"), choices=choices(*PUSH.items()))
    carrier = forms.CharField(label=_("Carrier"), max_length=255)
    app = forms.CharField(label=_("App"), max_length=255)
    field_order = (
        *("search", "status", "platform", "os_version", "ownership", "inactive", "group", "carrier", "app", "push"),
        *("property", "value"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["search"].widget.attrs["placeholder"] = _("Serial number, IMEI, name, user or number")
        self.fields["os_version"].widget.attrs["placeholder"] = _("Its beginning")


class UserFilter(_RecordFilter):
    space = "user"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["search"].widget.attrs["placeholder"] = _("Login name, name, mail or number")


def wanted(given: Mapping[str, Any]) -> Filter | None:
    """What the form asks for; None for everything."""
    found = [
        _condition("search", "contains", given.get("search")),
        _condition("platform", "is", given.get("platform")),
        _condition("os_version", "starts_with", given.get("os_version")),
        _condition("ownership", "is", given.get("ownership")),
        _condition("group", "is", given.get("group")),
        _condition("carrier", "contains", given.get("carrier")),
        _condition("app", "contains", given.get("app")),
        _condition("push", "is", given.get("push")),
    ]
    if status := given.get("status"):
        _words, field, value = STATUS[status]
        found.append(_condition(field, "is", value))
    if inactive := given.get("inactive"):
        field = "inactive_hours" if inactive.endswith("h") else "inactive_days"
        found.append(_condition(field, "greater", int(inactive.removesuffix("h"))))
    if name := given.get("property"):
        part = given.get("value")
        found.append(_condition(name, "contains", part) if part else _condition(name, "is_set", value=True))
    conditions = [each for each in found if each["value"] is not None]
    return filters.parse({"all": conditions}) if conditions else None


def _condition(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}
