"""What becomes of servers and carrier gateways: each change in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from foundation.sql.locks import hold
from servers.models import CarrierGateway, Server
from servers.queries import AnyServer, find
from servers.testing import stages
from servers.values import ServerKind

_WELL = {
    "paused_until": None,
    "pause_count": 0,
    "stopped_at": None,
    "troubled_at": None,
    "told_at": None,
    "trouble_code": "",
    "trouble_detail": "",
    "recovered_at": None,
    "sign_ins_refused": 0,
    "unanswered": 0,
    "unanswered_at": None,
    "refusals": None,
}
_FORGOTTEN = {
    "session_limit": None,
    "session_limit_at": None,
    "session_limit_reply": "",
    "unpipelined_at": None,
    "unpipelined_reply": "",
}


@transaction.atomic
def add(server: AnyServer) -> None:
    """Store a new server that was validated; without an active one of its kind it becomes active.

    Raises ValidationError when its name was taken meanwhile.
    """
    hold(server.kind)
    server.active = not Server.objects.filter(kind=server.kind, active=True).exists()
    _save(server)


@transaction.atomic
def change(server: AnyServer, *, now: datetime) -> None:
    """Store the fields that people edit and count the revision up; what the flow writes of the server stays.

    With other settings to send by, a server in trouble is tried with one message; with another peer or sign-in any
    active one is, and what was seen of the old one is forgotten. Raises ValidationError when the name was taken
    meanwhile, Server.DoesNotExist when the server was removed.
    """
    Server.objects.select_for_update().get(pk=server.pk)
    before = find(server.pk)
    columns = server._meta.concrete_fields  # noqa: SLF001 - public, as Django documents it
    edited = [column.name for column in columns if column.editable and not column.primary_key]
    _save(server, fields=edited)
    Server.objects.filter(pk=server.pk).update(revision=F("revision") + 1)
    server.refresh_from_db(fields=["revision"])
    after = find(server.pk)
    assert before is not None
    assert after is not None
    if stages.sends_otherwise(after, before):
        _try_changed(after, elsewhere=stages.connects_otherwise(after, before), now=now)


@transaction.atomic
def activate(server_id: int, *, now: datetime) -> Server:
    """Make it the active server of its kind; if it was stopped or paused, it is tried with one message.

    Raises Server.DoesNotExist.
    """
    kind = Server.objects.values_list("kind", flat=True).get(pk=server_id)
    hold(kind)
    Server.objects.filter(kind=kind, active=True).exclude(pk=server_id).update(active=False)
    Server.objects.filter(pk=server_id).update(active=True)
    _try(_in_trouble(server_id), now=now)
    return Server.objects.get(pk=server_id)


def try_again(server_id: int, *, now: datetime) -> bool:
    """Have a stopped or paused server tried with one message now; False when it was neither.

    Refused sign-ins stay counted: a stopped server whose sign-in is refused again stops at once.
    """
    return bool(_try(_in_trouble(server_id), now=now))


def forget(server_id: int) -> bool:
    """Forget what was seen of the server; False when nothing was."""
    seen = Q(session_limit_at__isnull=False) | Q(unpipelined_at__isnull=False)
    return bool(Server.objects.filter(seen, pk=server_id).update(**_FORGOTTEN))


@transaction.atomic
def remove(server_id: int) -> None:
    """Delete it for good. Raises ValidationError when `why_kept` has a reason, Server.DoesNotExist when it is gone."""
    hold(Server.objects.values_list("kind", flat=True).get(pk=server_id))
    server = Server.objects.get(pk=server_id)
    reason = why_kept(server)
    if reason:
        raise ValidationError(reason, code="active_server")
    server.delete()


def why_kept(server: Server) -> str:
    """Why it can't be deleted: the active one goes last. Empty when it can."""
    others = Server.objects.filter(kind=server.kind).exclude(pk=server.pk)
    if server.active and others.exists():
        return _("“%s” is active. Activate another server of its type first, then delete it.") % server.name
    return ""


def tested(server_id: int, *, passed: bool, now: datetime) -> None:
    """Note a test of the stored settings; one that passed lets a stopped or paused server send again."""
    well = _WELL if passed else {}
    Server.objects.filter(pk=server_id).update(last_test_at=now, last_test_passed=passed, **well)


@transaction.atomic
def keep_carrier(gateway: CarrierGateway) -> None:
    """Store a new or changed carrier gateway that was validated; SMS that are planned from now on go by it.

    Raises ValidationError when its carrier got a gateway in this country meanwhile.
    """
    try:
        with transaction.atomic():
            gateway.save()
    except IntegrityError:
        gateway.validate_constraints()
        raise
    _renew_routes()


@transaction.atomic
def remove_carrier(gateway: CarrierGateway) -> None:
    """Delete it; what goes through it already still does, new SMS do not."""
    gateway.delete()
    _renew_routes()


def _renew_routes() -> None:
    """What is remembered of an SMS gateway holds for one revision, and its carriers are part of it.

    Whoever changes several servers of a kind holds it first, or two of them could wait for each other's.
    """
    hold(ServerKind.SMS)
    Server.objects.filter(kind=ServerKind.SMS).update(revision=F("revision") + 1)


def _in_trouble(server_id: int) -> QuerySet[Server]:
    return Server.objects.filter(Q(stopped_at__isnull=False) | Q(paused_until__isnull=False), pk=server_id)


def _try(rows: QuerySet[Server], *, now: datetime, **fields: Any) -> int:
    """Whoever comes next tries the server with one message; its trouble stays until that is through."""
    return rows.update(stopped_at=None, paused_until=now, **fields)


def _try_changed(server: AnyServer, *, elsewhere: bool, now: datetime) -> None:
    row = Server.objects.filter(pk=server.pk)
    row.update(sign_ins_refused=0, **(_FORGOTTEN if elsewhere else {}))
    _try(row.filter(active=True) if elsewhere else _in_trouble(server.pk), now=now, pause_count=0)


def _save(server: AnyServer, *, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            server.save(update_fields=fields)
    except IntegrityError:
        server.validate_unique()
        raise
