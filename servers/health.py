"""What the console says of the servers: findings for Health and banners, the tiles' states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial, reduce
from operator import or_

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit import registry
from console.kit.registry import Button, Finding, Group, Level, State, Tile
from servers.kind import NOTIFICATION_SERVER, SECURE_HUB_PUSH, Absence
from servers.kinds import KINDS
from servers.models import Server
from servers.queries import child
from servers.values import ServerKind
from transports.types import Reason, ReasonCode, Scope

_UNREACHED = (
    ReasonCode.NAME_NOT_RESOLVED,
    ReasonCode.CONNECTION_REFUSED,
    ReasonCode.NO_ROUTE,
    ReasonCode.CONNECT_TIMEOUT,
)
_WITH_ADVICE = frozenset(ReasonCode) - {ReasonCode.SECRET_UNREADABLE}

_STATE = ("kind", "name", "active", "paused_until", "stopped_at", "trouble_code", "trouble_detail")


def findings() -> Iterator[Finding]:
    """One line for each active server, and one for a kind that has none and should."""
    servers = in_order(_looked_at())
    active = [server for server in servers if server.active]
    for kind in KINDS.values():
        if kind.absence and not any(server.kind == kind.value for server in active):
            yield _absent(kind.absence)
    for server in active:
        yield _finding(server)
    for server in servers:
        yield from _risks(server)


def _looked_at() -> QuerySet[Server]:
    """The active servers, and others that are watched, with what the findings are made from: every page asks for it."""
    every = KINDS.values()
    wanted = reduce(or_, (kind.watched for kind in every if kind.watched), Q(active=True))
    own = [f"{kind.model_name}__{name}" for kind in every for name in ("server_ptr", *kind.looked_at)]
    rows = Server.objects.filter(wanted).select_related(*(kind.model_name for kind in every))
    return rows.only(*_STATE, *own)


def in_order(servers: Iterable[Server]) -> list[Server]:
    """As every list shows them: mail, then SMS, then push, each by name."""
    kinds = list(ServerKind)
    return sorted(servers, key=lambda server: (kinds.index(ServerKind(server.kind)), server.name))


def level(server: Server) -> Level:
    if not server.active:
        return Level.NEUTRAL
    if server.stopped_at:
        return Level.ERROR
    return Level.WARNING if is_paused(server) else Level.OK


def is_paused(server: Server) -> bool:
    return server.paused_until is not None and server.paused_until > timezone.now()


def trouble(server: Server) -> str:
    """Why it stopped or is paused, in plain words; what it refused messages with in its own."""
    kind = KINDS.get(ServerKind(server.kind))
    if kind is None or server.trouble_code not in _WITH_ADVICE:
        return server.trouble_detail
    cause = kind.advise(Reason(ReasonCode(server.trouble_code), Scope.SERVER, server.trouble_detail)).cause
    cause = _(cause)
    return f"{cause} “{server.trouble_detail}”." if server.trouble_code == ReasonCode.REFUSED_ALIKE else cause


def address(server: Server) -> str:
    """Where it is edited; its list, for kinds without a page of their own."""
    kind = KINDS.get(ServerKind(server.kind))
    return reverse(kind.address, args=[server.pk]) if kind else _list()


def register() -> None:
    registry.add_health(findings)
    registry.add_tile(
        Tile(
            "notification-server",
            gettext_lazy("Notification Server"),
            Group.NOTIFICATIONS,
            gettext_lazy("The servers through which messages go out."),
            permission="servers.view_server",
            order=20,
            state=partial(_state, NOTIFICATION_SERVER),
        )
    )
    registry.add_tile(
        Tile(
            SECURE_HUB_PUSH,
            gettext_lazy("Secure Hub Push"),
            Group.NOTIFICATIONS,
            gettext_lazy("The services that reach the notification tray of iOS and Android devices."),
            permission="servers.view_server",
            order=25,
            state=partial(_state, SECURE_HUB_PUSH),
        )
    )


def _risks(server: Server) -> Iterator[Finding]:
    kind = KINDS.get(ServerKind(server.kind))
    for risk in kind.risks(child(server)) if kind else ():
        yield Finding(server.name, risk.words, Level.WARNING, url=address(server), link=risk.link)


def _absent(absence: Absence) -> Finding:
    return Finding(absence.subject, absence.words, Level.ERROR, banner=True, url=_list(), link=absence.link)


def _finding(server: Server) -> Finding:
    again = Button(_("Try again now"), reverse("server-try-again", args=[server.pk]), "servers.change_server")
    if server.stopped_at:
        words = _(
            "It has stopped: %s Messages wait until changed settings are saved, Test Configuration passes for what is "
            "stored, or somebody chooses Try again now."
        )
        return Finding(
            server.name,
            words % trouble(server),
            Level.ERROR,
            banner=True,
            url=address(server),
            link=_("Fix it"),
            buttons=(again,),
        )
    if is_paused(server):
        return Finding(
            server.name,
            f"{_paused_for(server)} {_('Messages wait.')}",
            Level.WARNING,
            banner=True,
            url=address(server),
            link=_("View"),
            buttons=(again,),
        )
    return Finding(server.name, _("It is active."), Level.OK, url=address(server), link=_("Open"))


def _paused_for(server: Server) -> str:
    match server.trouble_code:
        case ReasonCode.CREDENTIALS_REFUSED:
            words = _(
                "Its sign-in is refused: %s Nobody signs in meanwhile; a single sign-in is tried again by itself."
            )
        case code if code in _UNREACHED:
            words = _("It can't be reached: %s It is tried again by itself.")
        case _:
            words = _("It is paused: %s It is tried again by itself with one message at a time.")
    return words % trouble(server)


def _state(page: str) -> State:
    servers = list(Server.objects.filter(kind__in=[kind.value for kind in KINDS.values() if kind.page == page]))
    active = [server for server in servers if server.active]
    if not servers:
        return State(_("Not set up"), Level.WARNING)
    if not active:
        return State(_("None is active"), Level.WARNING)
    worst = max((level(server) for server in active), key=[Level.OK, Level.WARNING, Level.ERROR].index)
    untested = sum(server.last_test_at is None for server in servers)
    words = _("%d active") % len(active)
    if untested:
        words = _("%(active)s, %(count)d untested") % {"active": words, "count": untested}
        worst = Level.NEUTRAL if worst is Level.OK else worst
    return State(words, worst)


def _list() -> str:
    return reverse(NOTIFICATION_SERVER)
