"""What Notify adds to the pages of others: the navigation, its buttons, and the dashboard's Notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit import cells, registry
from console.kit.registry import Bulk, Button, Entry, How, Section, Words
from devices import limits, standing
from devices.models import Device
from devices.pages.forms import INACTIVE, STATUS
from dispatch.notify.recipients import DEVICES, USERS
from dispatch.notify.views import PERMISSION
from dispatch.notify.watch_views import PAGE
from templates_app import queries
from templates_app.models import NotificationTemplate


def register() -> None:
    registry.add_entry(
        Entry(PAGE, gettext_lazy("Broadcasts"), Section.ANALYZE, permission="dispatch.view_broadcast", order=30)
    )
    for name in (DEVICES, USERS):
        registry.add_bulk(name, Bulk(gettext_lazy("Notify"), reverse_lazy("notify"), name, PERMISSION))
    registry.add_row_buttons("devices", source=_of_rows(lambda row: {DEVICES: row.pk}))
    for page in ("users", "group-members"):
        registry.add_row_buttons(page, source=_of_rows(lambda row: {USERS: row.pk}))
    registry.add_row_buttons("groups", source=_of_rows(lambda row: {"all": USERS, "group": row.name}))
    registry.add_panel("manual-sending", source=_of_template)
    registry.add_panel("dashboard", source=_dashboard, order=50)


def notify_url(**query: Any) -> str:
    """Where Notify is with these recipients, or this template, chosen."""
    return f"{reverse('notify')}?{urlencode(query)}"


def _of_rows(query: Callable[[Any], dict[str, Any]]) -> registry.ButtonSource:
    """With each row of a list, and on its page; `query` says who is chosen there."""

    def source(_request: HttpRequest, _rows: Sequence[Any]) -> Callable[[Any], Iterable[Button]]:
        return lambda row: [Button(_("Notify"), notify_url(**query(row)), PERMISSION, How.LINK)]

    return source


def _of_template(request: HttpRequest, template: NotificationTemplate) -> str:
    """For one that supports manual sending."""
    return cells.link(notify_url(template=template.pk), _("Notify")) if request.user.has_perm(PERMISSION) else ""


def _dashboard(request: HttpRequest, _nothing: None) -> str:
    """The counts that lead to filtered lists, and the templates that can be sent by hand."""
    user = request.user
    context = {
        "counts": _counts(request) if user.has_perm("devices.view_device") else [],
        "templates": [(row, notify_url(template=row.pk)) for row in queries.manual_templates()]
        if user.has_perm(PERMISSION)
        else [],
    }
    return render_to_string("dispatch/notifications.html", context, request) if any(context.values()) else ""


def _counts(request: HttpRequest) -> list[tuple[Words, list[tuple[Words, int, str]]]]:
    """Headings with what is counted below them: words, number, address of the list."""
    found = standing.of(limits.of_user(request.user), now=timezone.now())
    devices = reverse("devices")
    return [
        (
            _("Status"),
            [(STATUS[name][0], number, f"{devices}?status={name}") for name, number in found.flags.items()],
        ),
        (
            _("Platform"),
            [
                (Device.Platform(name).label, number, f"{devices}?platform={name}")
                for name, number in found.platforms.items()
            ],
        ),
        (
            _("Inactive for"),
            [(INACTIVE[key], number, f"{devices}?inactive={key}") for key, number in found.inactive.items()],
        ),
    ]
