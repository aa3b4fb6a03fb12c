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
INACTIVE = {"1": _("More than 24 hours"), "7": _("More than 7 days"), "30": _("More than 30 days")}


class DeviceFilter(ListFilter):
    search = forms.CharField(
        label=_("Search"),
        max_length=255,
        widget=forms.TextInput(attrs={"placeholder": _("Serial number, IMEI, name or user")}),
    )
    status = forms.ChoiceField(
        label=_("Status"), choices=choices(*((key, words) for key, (words, _field, _value) in STATUS.items()))
    )
    platform = forms.ChoiceField(label=_("Platform"), choices=choices(*Device.Platform.choices))
    ownership = forms.ChoiceField(label=_("Ownership"), choices=choices(*Device.Ownership.choices))
    inactive = forms.ChoiceField(label=_("Inactive for"), choices=choices(*INACTIVE.items()))
    group = forms.CharField(label=_("Group"), max_length=255)


class UserFilter(ListFilter):
    search = forms.CharField(
        label=_("Search"),
        max_length=255,
        widget=forms.TextInput(attrs={"placeholder": _("Login name, name, mail or number")}),
    )
    group = forms.CharField(label=_("Group"), max_length=255)


def wanted(given: Mapping[str, Any]) -> Filter | None:
    """What the form asks for; None for everything."""
    found = [
        {"field": "search", "op": "contains", "value": given.get("search")},
        {"field": "platform", "op": "is", "value": given.get("platform")},
        {"field": "ownership", "op": "is", "value": given.get("ownership")},
        {"field": "group", "op": "is", "value": given.get("group")},
        {"field": "inactive_days", "op": "greater", "value": int(given.get("inactive") or 0) or None},
    ]
    if status := given.get("status"):
        _words, field, value = STATUS[status]
        found.append({"field": field, "op": "is", "value": value})
    conditions = [each for each in found if each["value"] is not None]
    return filters.parse({"all": conditions}) if conditions else None
