"""A template's mail with sample values, to one address: a delivery like any other."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from dispatch.outbox import store
from dispatch.outbox.store import NewEvent
from dispatch.rules.plan import Planned
from dispatch.wakeup import wake_ups
from foundation.sql.ids import new_uid
from servers.queries import active_routes
from servers.values import ServerKind
from templates_app.macros.names import sample_values
from templates_app.texts.render import Template
from transports.types import ChannelKind, ReasonCode, Recipient

ORIGIN = "console"
LIFETIME = timedelta(hours=1)
CHANNEL = ChannelKind.SMTP
"""An account has a mail address, and nothing else that a sample could go to."""


def send(template: Template, *, to: Recipient, now: datetime) -> UUID:
    """Store one mail of the template's current version to this address and no other; returns the delivery's id."""
    route = active_routes().get(ServerKind.SMTP)
    values = sample_values()
    supplied = {"user": {**values["user"], "mail": to.address, "displayname": to.name}, "device": values["device"]}
    event = NewEvent(
        id=new_uid(),
        type=template.type,
        source=settings.XMNOTIFY_CONSOLE_NAME,
        origin=ORIGIN,
        occurred_at=now,
        received_at=now,
        template_id=template.id,
        payload={**supplied, "data": {}, "reasons": {}},
        planned=1,
    )
    planned = Planned(
        id=new_uid(),
        channel=CHANNEL,
        server_kind=ServerKind.SMTP,
        to=to,
        expires_at=now + LIFETIME,
        event_id=event.id,
        template_version_id=template.texts.version_id,
        server_id=route.server_id if route else None,
        wait_code="" if route else ReasonCode.NO_ACTIVE_SERVER.value,
    )
    with transaction.atomic():
        store.store([event], planned=[planned], now=now)
        if route:
            transaction.on_commit(lambda: wake_ups.wake(route.server_id))
    return planned.id
