"""What the console says of the servers: findings for Health and banners, the tiles' states."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import registry
from console.kit.registry import Button, Finding, Group, Level, State, Tile
from servers.carriers.validators import carrier_warnings
from servers.models import CarrierGateway, Server, SmsGateway, SmtpServer
from servers.sms.validators import sms_warnings, stays_here
from servers.validators import smtp_warnings
from servers.values import ServerKind
from transports.nexmo import hints
from transports.smtp import hints as smtp_hints
from transports.types import Reason, ReasonCode, Scope

_PAGES = {ServerKind.SMTP: "smtp-server", ServerKind.SMS: "sms-gateway"}
_UNREACHED = (
    ReasonCode.NAME_NOT_RESOLVED,
    ReasonCode.CONNECTION_REFUSED,
    ReasonCode.NO_ROUTE,
    ReasonCode.CONNECT_TIMEOUT,
)
_WITH_ADVICE = frozenset(ReasonCode) - {ReasonCode.SECRET_UNREADABLE}
_RISKS = ("security", "verify_certificate", "ntlm_v1")
_STATE = ("kind", "name", "active", "paused_until", "stopped_at", "trouble_code", "trouble_detail")
_OF_SMTP = ("security", "verify_certificate", "authentication", "port", "timeout", "spa", "ntlm_v1")
_OF_SMS = ("https", "base_url", "virtual_number")
_LOOKED_AT = (
    *_STATE,
    *(f"smtpserver__{name}" for name in _OF_SMTP),
    *(f"smsgateway__{name}" for name in _OF_SMS),
)
"""What the findings are made from; every page asks for it."""


def findings() -> Iterator[Finding]:
    """One line for each active server, and one for a missing SMTP server."""
    unencrypted = Q(kind=ServerKind.SMS, smsgateway__https=False)
    rows = Server.objects.filter(Q(active=True) | unencrypted).select_related("smtpserver", "smsgateway")
    servers = list(rows.only(*_LOOKED_AT))
    active = [server for server in servers if server.active]
    if not any(server.kind == ServerKind.SMTP for server in active):
        yield _none_active()
    for server in active:
        yield _finding(server)
    for server in servers:
        if server.kind == ServerKind.SMS and not server.smsgateway.https:
            yield _unencrypted(server.smsgateway)
    for server in active:
        if server.kind == ServerKind.SMTP:
            yield from _risks(server.smtpserver)


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
    if server.trouble_code not in _WITH_ADVICE:
        return server.trouble_detail
    advise = hints.advise if server.kind == ServerKind.SMS else smtp_hints.advise
    cause = advise(Reason(ReasonCode(server.trouble_code), Scope.SERVER, server.trouble_detail)).cause
    cause = _(cause)
    return f"{cause} “{server.trouble_detail}”." if server.trouble_code == ReasonCode.REFUSED_ALIKE else cause


def address(server: Server) -> str:
    """Where it is edited; its list, for kinds without a page of their own."""
    view = _PAGES.get(ServerKind(server.kind))
    return reverse(view, args=[server.pk]) if view else _list()


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
            state=_state,
        )
    )
    registry.add_tile(
        Tile(
            "carrier-gateways",
            gettext_lazy("Carrier SMS Gateway"),
            Group.NOTIFICATIONS,
            gettext_lazy("Carriers that turn mail into SMS."),
            permission="servers.view_carriergateway",
            order=10,
            state=_carriers_state,
        )
    )
    registry.add_impact("servers.CarrierGateway", source=_of_carrier)
    registry.add_impact("servers.Server", source=_of_server)


def _carriers_state() -> State:
    gateways = list(CarrierGateway.objects.all())
    if not gateways:
        return State(_("None"), Level.NEUTRAL)
    words = ngettext("%d carrier", "%d carriers", len(gateways)) % len(gateways)
    retired = sum(bool(carrier_warnings(gateway)) for gateway in gateways)
    if retired:
        words = ngettext("%(all)s, %(retired)d switched off", "%(all)s, %(retired)d switched off", retired) % {
            "all": words,
            "retired": retired,
        }
    return State(words, Level.WARNING if retired else Level.OK)


def _of_carrier(gateway: CarrierGateway) -> Iterator[str]:
    yield _("Phones of this carrier get their SMS through the SMS gateway from then on.")
    yield _("SMS that wait for a try already still go to %s.") % gateway.domain


def _of_server(server: Server) -> Iterator[str]:
    """The carrier gateways need an SMTP server to mail through and an SMS gateway that uses them."""
    uses = SmsGateway.objects.filter(active=True, use_carrier_gateways=True).exists()
    if server.active and uses and CarrierGateway.objects.exists():
        if server.kind == ServerKind.SMTP:
            yield _("SMS go through the SMS gateway instead of carrier gateways, as long as no SMTP server is active.")
        elif server.kind == ServerKind.SMS:
            yield _("No SMS goes through carrier gateways either: the SMS gateway holds the switch for them.")


def _unencrypted(sms: SmsGateway) -> Finding:
    link = _("View") if stays_here(sms) else _("Switch HTTPS on")
    return Finding(sms.name, sms_warnings(sms)["https"], Level.WARNING, url=address(sms), link=link)


def _risks(smtp: SmtpServer) -> Iterator[Finding]:
    for name, words in smtp_warnings(smtp).items():
        if name in _RISKS:
            yield Finding(smtp.name, words, Level.WARNING, url=address(smtp), link=_("Change it"))


def _none_active() -> Finding:
    words = _("No SMTP server is active, so mail waits instead of going out.")
    return Finding(_("Mail"), words, Level.ERROR, banner=True, url=_list(), link=_("Set up an SMTP server"))


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


def _state() -> State:
    servers = list(Server.objects.filter(kind__in=(ServerKind.SMTP, ServerKind.SMS)))
    active = [server for server in servers if server.active]
    if not servers:
        return State(_("Not set up"), Level.WARNING)
    if not active:
        return State(_("None is active"), Level.WARNING)
    worst = max((level(server) for server in active), key=[Level.OK, Level.WARNING, Level.ERROR].index)
    untested = sum(server.last_test_at is None for server in servers)
    words = _("%d active") % len(active)
    return State(
        _("%(active)s, %(count)d untested") % {"active": words, "count": untested} if untested else words, worst
    )


def _list() -> str:
    return reverse("notification-server")
