"""A template's text with sample values, to one address: a delivery like any other."""

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
from servers.values import KIND_OF_ADDRESS
from templates_app.channels import ADDRESSED
from templates_app.macros.names import sample_values
from templates_app.texts.render import Template
from transports.types import ChannelKind, ReasonCode, Recipient

ORIGIN = "console"
LIFETIME = timedelta(hours=1)
_SUPPLIED = ("enrollment", "certificate", "server")


def send(template: Template, *, channel: ChannelKind, to: Recipient, language: str, now: datetime) -> UUID:
    """Store one message of the template's current version to this address and no other; returns the delivery's id.

    `channel` is one with addresses, `language` a BCP 47 tag or "" for the text for everybody.
    """
    kind = KIND_OF_ADDRESS[to.kind]
    route = active_routes().get(kind)
    values = sample_values()
    own = {ADDRESSED[channel].macro: to.address, **({"displayname": to.name} if to.name else {})}
    event = NewEvent(
        id=new_uid(),
        type=template.type,
        source=settings.XMNOTIFY_CONSOLE_NAME,
        origin=ORIGIN,
        occurred_at=now,
        received_at=now,
        template_id=template.id,
        payload={
            "user": {**values["user"], **own},
            "device": values["device"],
            "data": {space: values[space] for space in _SUPPLIED},
            "reasons": {},
        },
        planned=1,
    )
    planned = Planned(
        id=new_uid(),
        channel=channel,
        server_kind=kind,
        to=to,
        expires_at=now + LIFETIME,
        event_id=event.id,
        template_version_id=template.texts.version_id,
        server_id=route.server_id if route else None,
        language=language,
        wait_code="" if route else ReasonCode.NO_ACTIVE_SERVER.value,
    )
    with transaction.atomic():
        store.store([event], planned=[planned], now=now)
        if route:
            transaction.on_commit(lambda: wake_ups.wake(route.server_id))
    return planned.id
