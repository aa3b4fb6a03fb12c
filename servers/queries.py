"""The active servers, as the flow sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

from django.db.models import Model, QuerySet

from foundation.audit import Action
from foundation.models import AuditEntry
from foundation.sql import statements
from foundation.sql.statements import Query
from servers.models import CarrierGateway, Server, SmsGateway
from servers.statements import ACTIVE, REVISION
from servers.values import CarrierRoute, NumberFormat, Route, ServerKind

CHILDREN = {kind: str(model._meta.model_name) for model in Server.__subclasses__() for kind in model.kinds}  # noqa: SLF001 - Django's documented name for it
"""By kind, the name that a server has for the row of its own table."""


def active_routes() -> dict[ServerKind, Route]:
    """The active server of each kind that has one."""
    return statements.result_of(routes())


def routes() -> Query[dict[ServerKind, Route]]:
    """The same; read for every event, so the statement reads only their revisions."""
    found = yield ACTIVE
    return {ServerKind(kind): _route(*state) for kind, *state in found}


@lru_cache(maxsize=64)
def _route(server_id: int, _revision: int, _carriers_revision: int, _created_at: object) -> Route:
    """`_created_at` tells apart two databases, or a restored one, that gave the same id to different servers."""
    own = find(server_id)
    assert own is not None
    return Route(
        server_id=server_id,
        kind=ServerKind(own.kind),
        limits=own.limits(),
        country=own.country if isinstance(own, SmsGateway) else "",
        carriers=_carriers() if isinstance(own, SmsGateway) and own.use_carrier_gateways else {},
    )


def _carriers() -> dict[tuple[str, str], CarrierRoute]:
    return {
        (row.carrier_key, row.country): CarrierRoute(row.pk, row.domain, row.prefix, NumberFormat(row.number_format))
        for row in CarrierGateway.objects.all()
    }


def settings_of(server_id: int) -> Server | None:
    """The server as people set it, read anew when they change it; what it tells of its health may be old."""
    found = statements.read(REVISION, [server_id])
    return _revision_of(server_id, found[0][0], found[0][1]) if found else None


@lru_cache(maxsize=64)
def _revision_of(server_id: int, _revision: int, _created_at: object) -> Server | None:
    """See `_route`."""
    return find(server_id)


def find(server_id: int) -> Server | None:
    row = with_children(Server.objects.filter(pk=server_id)).first()
    return child(row) if row else None


def with_children(rows: QuerySet[Server]) -> QuerySet[Server]:
    """The same, read together with what `child` needs."""
    return rows.select_related(*CHILDREN.values())


def child(server: Server) -> Server:
    """The server as its own kind."""
    found: Server = getattr(server, CHILDREN[ServerKind(server.kind)])
    return found


def country() -> str:
    """The country (ISO 3166) of the active SMS gateway, by which numbers without one are read; empty without it."""
    return SmsGateway.objects.filter(active=True).values_list("country", flat=True).first() or ""


def deleted_servers(ids: Collection[int] | None = None) -> Iterator[tuple[str, str]]:
    """The key, as text, and name of each of these, or of all, as the audit trail has them.

    See docs/decisions/history-outlives-servers.md.
    """
    return _deleted(Server.__subclasses__(), "name", ids=ids)


def deleted_carriers(ids: Collection[int]) -> Iterator[tuple[str, str]]:
    """The same of carrier gateways."""
    return _deleted([CarrierGateway], "carrier", ids=ids)


def _deleted(models: Collection[type[Model]], name: str, *, ids: Collection[int] | None) -> Iterator[tuple[str, str]]:
    kinds = [model._meta.label_lower for model in models]  # noqa: SLF001 - as above
    rows = AuditEntry.objects.filter(object_type__in=kinds, action=Action.DELETE)
    if ids is not None:
        rows = rows.filter(object_id__in=[str(pk) for pk in ids])
    for key, before in rows.order_by("object_name", "pk").values_list("object_id", "before"):
        yield key, str(before.get(name, ""))
