"""Who logged in, who failed to, who is locked out and who logged out: recorded in the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from console.accounts import lockout
from foundation import audit
from foundation.audit import Action, Actor

_LONGEST_NAME = 150


def note_log_in(request: HttpRequest, user: User) -> None:
    lockout.note_success(request, user)
    audit.record(_actor(request, user.get_username(), user=user), action=Action.LOG_IN, instance=user)


def note_log_out(request: HttpRequest) -> None:
    if isinstance(request.user, User):
        audit.record(audit.by_request(request), action=Action.LOG_OUT, instance=request.user)


def note_failure(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: Any) -> None:
    """On Django's signal of a wrong password, and of a wrong code."""
    if request is None:
        return
    name = "".join(char for char in str(credentials.get("username", "")) if char.isprintable())[:_LONGEST_NAME]
    outcome = lockout.note_failure(request, name, now=timezone.now())
    if not outcome.is_recorded:
        return
    actor = _actor(request, name)
    user = User.objects.filter(username=name).first() or User(username=name)
    audit.record(actor, action=Action.LOG_IN_FAILED, instance=user)
    if outcome.locked_until:
        after = {"until": outcome.locked_until.isoformat(timespec="seconds")}
        audit.record(actor, action=Action.LOCK_OUT, instance=user, after=after)


def _actor(request: HttpRequest, name: str, *, user: User | None = None) -> Actor:
    return Actor(name, user=user, address=str(request.META.get("REMOTE_ADDR", ""))[:45])
