"""Why a delivery stands where it does, for people: its server's trouble, its own, and when the next try comes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct

from dispatch.log import reasons
from dispatch.models import Delivery
from dispatch.rules.states import DeliveryState
from servers import health
from servers.models import Server


class Why(Struct, frozen=True):
    """Sentences, "" where there is nothing to say, and when the next try comes, None where none does by itself."""

    words: str
    next_at: datetime | None = None


def why(row: Delivery, *, server: Server | None, active: Mapping[str, Server]) -> Why:
    """`server` is the row's own, None without one or when it is deleted; `active` are those there are, by kind."""
    words = str(reasons.words(row.reason_code))
    if row.state != DeliveryState.DUE:
        return Why(words or (_("Its broadcast is paused.") if row.state == DeliveryState.PAUSED else ""))
    through = server if server and server.active else active.get(row.server_kind)
    if through is None:
        kind = row.get_server_kind_display()
        return Why(_("No server of the type %s is active. It goes out as soon as one is.") % kind)
    if through is not server:
        words = _("It goes out through “%s”, which is the active one now.") % through.name
    return _trouble(row, through) or _own(row, words)


def _trouble(row: Delivery, server: Server) -> Why | None:
    """What keeps all messages from going out through it; None when nothing does."""
    about = {"server": server.name, "trouble": health.trouble(server)}
    if server.stopped_at:
        return Why(_("“%(server)s” has stopped: %(trouble)s It waits until that is fixed.") % about)
    if server.paused_until:
        return Why(_("“%(server)s” is paused: %(trouble)s") % about, max(server.paused_until, row.due_at))
    return None


def _own(row: Delivery, words: str) -> Why:
    if row.due_at > timezone.now():
        return Why(words, row.due_at)
    return Why(words or _("It waits for its turn."))
