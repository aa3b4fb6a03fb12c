"""The roles that come with the product, as groups of Django's permissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.management import create_permissions

ADMINISTRATOR = "Administrator"
OPERATOR = "Operator"
AUDITOR = "Auditor"
INTEGRATION = "Integration"
APPS = ("foundation", "devices", "servers", "templates_app", "dispatch", "api", "auth")
VERBS = ("view", "add", "change", "delete")
OFFERED = (
    "servers.server",
    "servers.smtpserver",
    "servers.smsgateway",
    "servers.carriergateway",
    "servers.pushservice",
    "templates_app.notificationtemplate",
    "dispatch.broadcast",
    "dispatch.event",
    "dispatch.delivery",
    "dispatch.deliverytext",
    "devices.device",
    "devices.person",
    "devices.group",
    "api.apikey",
    "api.webhook",
    "auth.user",
    "auth.group",
    "foundation.auditentry",
)
"""The kinds of objects that the form of a role offers, in its order."""
_OPERATED = ("devices", "servers", "templates_app", "dispatch")
_OPERATIONS = ("dispatch.add_broadcast", "dispatch.change_broadcast", "dispatch.change_delivery")
_BODIES = "dispatch.view_deliverytext"


def install(apps: Any) -> None:
    """Make the roles that are missing and grant each what it should have; nothing is taken away.

    `apps` is the registry of a migration, or Django's own. A migration that brings new models calls it again.
    """
    for label in APPS:
        config = apps.get_app_config(label)
        if not hasattr(config, "models_module"):
            config.models_module = True  # a migration's stand-in for an app lacks what create_permissions asks for
        create_permissions(config, verbosity=0, apps=apps)
    permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group")
    rows = permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    names = {f"{row.content_type.app_label}.{row.codename}": row.pk for row in rows}
    for role, holds in _ROLES.items():
        made, _created = group.objects.get_or_create(name=role)
        made.permissions.add(*(pk for name, pk in names.items() if holds(name)))


def holds(role: str, name: str) -> bool:
    """Whether a role that comes with the product grants this permission."""
    return _ROLES[role](name)


def may_enter(role: str) -> bool:
    """Whether it grants anything here, so that its members can log in."""
    return any(holds(role, f"{kind.replace('.', f'.{verb}_')}") for kind in OFFERED for verb in VERBS)


def _views(name: str) -> bool:
    return name.partition(".")[2].startswith("view_")


def _operates(name: str) -> bool:
    return name in _OPERATIONS or (name.partition(".")[0] in _OPERATED and _views(name))


def _audits(name: str) -> bool:
    return _views(name) and name != _BODIES


_ROLES: dict[str, Callable[[str], bool]] = {
    ADMINISTRATOR: lambda _name: True,
    OPERATOR: _operates,
    AUDITOR: _audits,
    INTEGRATION: lambda _name: False,
}
