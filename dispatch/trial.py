"""A template's mail with sample values, sent to the administrator who wants to see it: a delivery like any other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.utils import timezone

from console import registry
from console.views import ConsoleView
from dispatch import intake, wakeup
from dispatch.intake import NewEvent
from dispatch.plan import Planned
from foundation import audit
from foundation.audit import Action
from foundation.sql.ids import new_uid
from servers.queries import active_routes
from servers.values import ServerKind
from templates_app import queries
from templates_app.macros.names import sample_values
from templates_app.models import NotificationTemplate
from templates_app.render import Template
from transports import mail_address
from transports.types import AddressKind, ChannelKind, ReasonCode, Recipient

ORIGIN = "console"
LIFETIME = timedelta(hours=1)
PERMISSION = "dispatch.add_broadcast"


def send(template: Template, *, to: Recipient, now: datetime) -> UUID:
    """Store one mail of the template's current version to this address and no other; answers the delivery's id."""
    route = active_routes().get(ServerKind.SMTP)
    values = sample_values()
    told = {"user": {**values["user"], "mail": to.address, "displayname": to.name}, "device": values["device"]}
    event = NewEvent(
        id=new_uid(),
        type=template.type,
        source=settings.XMNOTIFY_CONSOLE_NAME,
        origin=ORIGIN,
        occurred_at=now,
        received_at=now,
        template_id=template.id,
        payload={**told, "data": {}, "reasons": {}},
        planned=1,
    )
    planned = Planned(
        id=new_uid(),
        channel=ChannelKind.SMTP,
        server_kind=ServerKind.SMTP,
        to=to,
        expires_at=now + LIFETIME,
        event_id=event.id,
        template_version_id=template.texts.version_id,
        server_id=route.server_id if route else None,
        wait_code="" if route else ReasonCode.NO_ACTIVE_SERVER.value,
    )
    with transaction.atomic():
        intake.store([event], planned=[planned], now=now)
        if route:
            transaction.on_commit(lambda: wakeup.wake(route.server_id))
    return planned.id


class SendToMe(ConsoleView):
    """POST only: a mail of the template to whoever presses the button."""

    http_method_names = ["post"]
    permissions = ("templates_app.view_notificationtemplate", "dispatch.view_delivery")
    write_permissions = (PERMISSION,)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(NotificationTemplate.objects.kept(), pk=pk, current__isnull=False)
        to = address_of(request)
        if to is None or ChannelKind.SMTP not in queries.as_template(row).texts.channels:
            return redirect("template", pk=pk)
        with transaction.atomic():
            delivery_id = send(queries.as_template(row), to=to, now=timezone.now())
            audit.record(audit.by_request(request), action=Action.TEST, instance=row, after={"recipient": to.address})
        return redirect("delivery", pk=delivery_id)


def address_of(request: HttpRequest) -> Recipient | None:
    """The mail address of the account, None without a valid one."""
    user = request.user
    if not isinstance(user, User):
        return None
    try:
        return Recipient(AddressKind.MAIL, mail_address.normalise(user.email), user.get_full_name() or user.username)
    except ValueError:
        return None


def panel(request: HttpRequest, template: Any) -> str:
    """The button beside the template's editor."""
    version = queries.version_texts(template.current_id) if template.current_id else None
    if version is None or ChannelKind.SMTP not in version.channels or not request.user.has_perm(PERMISSION):
        return ""
    context = {"template": template, "to": address_of(request), "number": version.number}
    return render_to_string("dispatch/send_to_me.html", context, request)


def register() -> None:
    registry.add_panel("template-editor", source=panel, order=20)
