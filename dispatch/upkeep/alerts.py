"""Tells the administrators that a server of ours is down, through whichever channel still works."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from console.kit.registry import Finding, Level
from devices import queries as devices
from dispatch.intake import accept
from dispatch.intake.accept import EventIn
from servers import health
from servers.models import Server
from servers.values import KINDS_OF_CHANNEL, ServerKind
from templates_app.channels import ADDRESSED
from transports.types import ChannelKind, ReasonCode

ORIGIN = "console"
TYPE = "system.server_down"
FAILURES = 4
"""Failures to reach a server in a row, pauses of 15, 30 and 60 seconds between them, before it is reported as down."""
_SEEN_OFTEN = (ReasonCode.ANSWERS_LOST.value, ReasonCode.REFUSED_ALIKE.value)
"""Trouble that several messages in a row have shown before the first pause."""
_ADDRESSES = {ChannelKind.SMTP: "mail", ChannelKind.SMS: "mobile"}
_CHANNELS = {server: kind for kind in ADDRESSED for server in KINDS_OF_CHANNEL[kind]}

logger = logging.getLogger(__name__)


def tell(*, now: datetime) -> int:
    """Fire "Server Unreachable" once for each outage; returns how many times.

    As long as no other channel works that reaches an administrator there is nothing to tell it through: the next call
    tries again.
    """
    troubled = list(_in_trouble())
    if not troubled:
        return 0
    sick = set(Server.objects.exclude(stopped_at=None, paused_until=None).values_list("pk", flat=True))
    well = Server.objects.filter(active=True, kind__in=_CHANNELS).exclude(pk__in=sick)
    channels = frozenset(_CHANNELS[ServerKind(kind)] for kind in well.values_list("kind", flat=True)) & reaching()
    return sum(_tell(server, channels=channels, now=now) for server in troubled) if channels else 0


def reaching() -> frozenset[ChannelKind]:
    """The channels by which at least one administrator has an address."""
    known = devices.administrators()
    return frozenset(kind for kind, name in _ADDRESSES.items() if any(each[name] for each in known))


def findings() -> Iterator[Finding]:
    """What Health says where notices to administrators reach nobody."""
    if not reaching():
        words = _(
            "Nobody would learn that a server is down or a certificate expires: no administrator has a mail address, "
            "and no other recipient is set (XMNOTIFY_ADMIN_MAIL)."
        )
        yield Finding(
            _("Notices to administrators"),
            words,
            Level.WARNING,
            banner=True,
            url=reverse("administrators"),
            link=_("Enter an address"),
        )


def _in_trouble() -> QuerySet[Server]:
    down = Q(paused_until__isnull=False) & (Q(pause_count__gte=FAILURES) | Q(trouble_code__in=_SEEN_OFTEN))
    return Server.objects.filter(Q(stopped_at__isnull=False) | down, active=True, told_at=None)


@transaction.atomic
def _tell(server: Server, *, channels: frozenset[ChannelKind], now: datetime) -> bool:
    if not Server.objects.filter(pk=server.pk, told_at=None).update(told_at=now):
        return False
    about = {"name": server.name, "kind": server.get_kind_display(), "reason": health.trouble(server)}
    event_in = EventIn(
        type=TYPE,
        source=settings.XMNOTIFY_CONSOLE_NAME,
        occurred_at=server.troubled_at or now,
        channels=channels,
        data={"server": about},
    )
    accepted = accept.accept(event_in, origin=ORIGIN, now=now)
    logger.warning("alert.server_down server=%s deliveries=%d", server.pk, accepted.deliveries)
    return True
