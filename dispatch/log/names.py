"""What deliveries name: their templates, servers and carrier gateways, read in a query each, deleted ones too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from uuid import UUID

from django.utils.translation import gettext as _
from msgspec import Struct

from dispatch.log import waits
from dispatch.log.waits import Why
from dispatch.models import Delivery
from servers.models import CarrierGateway, Server
from servers.queries import deleted_carriers, deleted_servers
from templates_app.models import TemplateVersion

_STANDING = ("kind", "name", "active", "paused_until", "stopped_at", "trouble_code", "trouble_detail")


class Named(Struct, frozen=True):
    """`server` and `via` are names, "" where there is none or it is not known any more; what is shown says
    that it is deleted.
    """

    version: TemplateVersion | None
    server: str
    via: str
    shown_server: str
    shown_via: str
    why: Why

    @property
    def template(self) -> str:
        return self.version.template.name if self.version else ""


def of(rows: Iterable[Delivery]) -> Mapping[UUID, Named]:
    """By the delivery's key; each query is made once, however many rows there are."""
    rows = list(rows)
    if not rows:
        return {}
    versions = _versions({row.template_version_id for row in rows if row.template_version_id})
    servers = {one.pk: one for one in Server.objects.only(*_STANDING)}
    active = {one.kind: one for one in servers.values() if one.active}
    carriers = _carriers({row.via_id for row in rows if row.via_id})
    known = {pk: one.name for pk, one in servers.items()}
    gone = _gone(deleted_servers, {row.server_id for row in rows if row.server_id} - set(known))
    gone_carriers = _gone(deleted_carriers, {row.via_id for row in rows if row.via_id} - set(carriers))
    found = {}
    for row in rows:
        server, shown_server = _name(row.server_id, known, gone)
        via, shown_via = _name(row.via_id, carriers, gone_carriers)
        why = waits.why(row, server=servers.get(row.server_id or 0), active=active)
        version = versions.get(row.template_version_id or 0)
        found[row.pk] = Named(version, server, via, shown_server=shown_server, shown_via=shown_via, why=why)
    return found


def _name(key: int | None, known: Mapping[int, str], gone: Mapping[int, str]) -> tuple[str, str]:
    """Plainly, and as people read it."""
    if key is None or key in known:
        return (known[key],) * 2 if key else ("", "")
    name = gone.get(key, "")
    return name, _("%s (deleted)") % name if name else _("deleted")


def _versions(ids: Collection[int]) -> dict[int, TemplateVersion]:
    rows = TemplateVersion.objects.filter(pk__in=ids).select_related("template")
    return {row.pk: row for row in rows} if ids else {}


def _gone(read: Callable[[Collection[int]], Iterable[tuple[str, str]]], ids: Collection[int]) -> dict[int, str]:
    return {int(key): name for key, name in read(ids)} if ids else {}


def _carriers(ids: Collection[int]) -> dict[int, str]:
    return dict(CarrierGateway.objects.filter(pk__in=ids).values_list("pk", "carrier")) if ids else {}
