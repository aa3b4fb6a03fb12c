"""Every change of a server: checked, refused when somebody else was faster, stored and audited in one transaction.

Console, API and commands call these; nothing else stores a server. What the flow sees of it, dispatch writes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from foundation import audit
from foundation.audit import Action, Actor
from foundation.sql.locks import hold
from servers.kind import Kind
from servers.models import Server
from servers.queries import find
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
_SHOWN_OF_FORGOTTEN = ("session_limit", "session_limit_reply", "unpipelined_reply")


class StaleError(ValidationError):
    """Somebody else changed it since the revision that this change was made from; nothing is stored."""

    def __init__(self) -> None:
        super().__init__(_("Somebody changed this meanwhile. Read it again, then change it."), code="stale")


@transaction.atomic
def create(server: Server, *, kind: Kind[Any], actor: Actor) -> None:
    """Store a new server; without an active one of its kind it becomes active. Raises ValidationError by field."""
    kind.clean(server)
    hold(server.kind)
    server.active = not Server.objects.filter(kind=server.kind, active=True).exists()
    with audit.change(actor, action=Action.ADD, instance=server):
        _save(server)


@transaction.atomic
def change(server: Server, *, kind: Kind[Any], actor: Actor, now: datetime) -> None:
    """Store the fields that people edit and count the revision up; what the flow writes of the server stays.

    With other settings to send by, a server in trouble is tried with one message; with another peer or sign-in any
    active one is, and what was seen of the old one is forgotten. Raises ValidationError by field, StaleError when
    `server.revision` is not the stored one, Server.DoesNotExist when the server was removed.
    """
    before = _locked(server)
    kind.clean(server)
    columns = server._meta.concrete_fields  # noqa: SLF001 - public, as Django documents it
    edited = [column.name for column in columns if column.editable and not column.primary_key]
    with audit.change(actor, action=Action.CHANGE, instance=server, before=audit.snapshot(before)):
        _save(server, fields=edited)
    Server.objects.filter(pk=server.pk).update(revision=F("revision") + 1)
    server.refresh_from_db(fields=["revision"])
    after = find(server.pk)
    assert after is not None
    if kind.sends_otherwise(after, before):
        _try_changed(after, elsewhere=kind.connects_otherwise(after, before), now=now)


@transaction.atomic
def activate(server_id: int, *, actor: Actor, now: datetime) -> None:
    """Make it the active server of its kind; if it was stopped or paused, it is tried with one message.

    Raises Server.DoesNotExist.
    """
    kind = Server.objects.values_list("kind", flat=True).get(pk=server_id)
    hold(kind)
    Server.objects.filter(kind=kind, active=True).exclude(pk=server_id).update(active=False)
    Server.objects.filter(pk=server_id).update(active=True)
    _try(_in_trouble(server_id), now=now)
    audit.record(actor, action=Action.ACTIVATE, instance=_found(server_id))


@transaction.atomic
def try_again(server_id: int, *, actor: Actor, now: datetime) -> bool:
    """Have a stopped or paused server tried with one message now; False when it was neither.

    Refused sign-ins stay counted: a stopped server whose sign-in is refused again stops immediately.
    """
    tried = bool(_try(_in_trouble(server_id), now=now))
    if tried:
        audit.record(actor, action=Action.RETRY, instance=_found(server_id))
    return tried


@transaction.atomic
def forget(server_id: int, *, actor: Actor) -> bool:
    """Forget what was seen of the server; False when nothing was."""
    known = Q(session_limit_at__isnull=False) | Q(unpipelined_at__isnull=False)
    row = Server.objects.select_for_update().filter(known, pk=server_id)
    seen = row.values(*_SHOWN_OF_FORGOTTEN).first()
    if seen is None:
        return False
    Server.objects.filter(pk=server_id).update(**_FORGOTTEN)
    audit.record(actor, action=Action.FORGET, instance=_found(server_id), before=seen)
    return True


@transaction.atomic
def delete(server_id: int, *, actor: Actor) -> None:
    """Delete it for good. Raises ValidationError when `why_kept` has a reason, Server.DoesNotExist when it is gone."""
    hold(Server.objects.values_list("kind", flat=True).get(pk=server_id))
    server = _found(server_id)
    reason = why_kept(server)
    if reason:
        raise ValidationError(reason, code="active_server")
    with audit.change(actor, action=Action.DELETE, instance=server):
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


def renew_routes() -> None:
    """Have planning read the carrier gateways anew, which it remembers with the SMS gateway that uses them.

    Whoever changes several servers of a kind holds it first, or two of them could wait for each other's.
    """
    hold(ServerKind.SMS)
    Server.objects.filter(kind=ServerKind.SMS).update(carriers_revision=F("carriers_revision") + 1)


def read_for_change(server_id: int) -> Server:
    """As it is stored; nobody else changes it until the end of the transaction. Raises Server.DoesNotExist."""
    Server.objects.select_for_update().get(pk=server_id)
    return _found(server_id)


def _locked(server: Server) -> Server:
    """As `read_for_change`. Raises StaleError, Server.DoesNotExist."""
    stored = read_for_change(server.pk)
    if stored.revision != server.revision:
        raise StaleError
    return stored


def _found(server_id: int) -> Server:
    found = find(server_id)
    if found is None:
        raise Server.DoesNotExist
    return found


def _in_trouble(server_id: int) -> QuerySet[Server]:
    return Server.objects.filter(Q(stopped_at__isnull=False) | Q(paused_until__isnull=False), pk=server_id)


def _try(rows: QuerySet[Server], *, now: datetime, **fields: Any) -> int:
    """Whoever comes next tries the server with one message; its trouble stays until that is through."""
    return rows.update(stopped_at=None, paused_until=now, **fields)


def _try_changed(server: Server, *, elsewhere: bool, now: datetime) -> None:
    row = Server.objects.filter(pk=server.pk)
    row.update(sign_ins_refused=0, **(_FORGOTTEN if elsewhere else {}))
    _try(row.filter(active=True) if elsewhere else _in_trouble(server.pk), now=now, pause_count=0)


def _save(server: Server, *, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            server.save(update_fields=fields)
    except IntegrityError:
        server.validate_unique()
        raise
