"""What the console says of carrier SMS gateways: their tile, and what a deletion stops."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import registry
from console.kit.registry import Group, Level, State, Tile
from servers.carriers.validators import carrier_warnings
from servers.models import CarrierGateway, Server, SmsGateway
from servers.values import ServerKind


def register() -> None:
    registry.add_tile(
        Tile(
            "carrier-gateways",
            gettext_lazy("Carrier SMS Gateway"),
            Group.NOTIFICATIONS,
            gettext_lazy("Carriers that turn mail into SMS."),
            permission="servers.view_carriergateway",
            order=10,
            state=_state,
        )
    )
    registry.add_impact("servers.CarrierGateway", source=_of_gateway)
    registry.add_impact("servers.Server", source=_of_server)


def _state() -> State:
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


def _of_gateway(gateway: CarrierGateway) -> Iterator[str]:
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
