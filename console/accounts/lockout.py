"""Wrong passwords and codes are counted, by account at an address and by each alone; too many lock out for a while.

See docs/decisions/log-in.md for the rule and its reasons.
"""

from __future__ import annotations

import secrets
import unicodedata
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, User
from django.core.signing import BadSignature
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from msgspec import Struct

from console.models import Failures

REMEMBERED = timedelta(days=30)
_FREE, _FREE_OF_ALL = 4, 100
"""Failures before the first wait: for an account at one address, and for an account at all addresses, of each of which
only those count that are free there and the next one.
"""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=15)
_FORGOTTEN = timedelta(days=1)
_AT_AN_ADDRESS = 20
_WINDOW = timedelta(minutes=15)
_LONGEST_NAME = 150
_SALT = "console.accounts.lockout.browser"
_OF_ALL, _OF_AN_ADDRESS = "account:", "address:"


class Outcome(Struct, frozen=True):
    """What a failure led to: whether it is to be recorded (one during a lock-out is not), and whether it locked out."""

    is_recorded: bool
    locked_until: datetime | None = None


def locked_until(request: HttpRequest, name: str, *, now: datetime) -> datetime | None:
    """When the next password or code for this account is checked; None for immediately."""
    rows = Failures.objects.filter(counted__in=_counted(request, name), locked_until__gt=now)
    return max((row.locked_until for row in rows if row.locked_until), default=None)


def note_failure(request: HttpRequest, name: str, *, now: datetime) -> Outcome:
    """Count a wrong password or code; during a lock-out nothing is counted."""
    if locked_until(request, name, now=now):
        return Outcome(is_recorded=False)
    own, *shared = _counted(request, name)
    with transaction.atomic():
        number, until = _count(own, now=now)
        also = [one for one in shared if number <= _FREE + 1 or not one.startswith(_OF_ALL)]
        ends = [until, *(_count(counted, now=now)[1] for counted in also)]
    return Outcome(is_recorded=True, locked_until=max((one for one in ends if one), default=None))


def note_success(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Forgives the account's failures by the way this one came; those of the address stay."""
    ways = [way for way in _counted(request, user.get_username()) if not way.startswith(_OF_AN_ADDRESS)]
    Failures.objects.filter(counted__in=ways).delete()


def remember(request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
    """Failures of this browser for this account are counted apart from now on, so that nobody else locks it out."""
    response.set_signed_cookie(
        _cookie(user),
        _browser(request, user) or secrets.token_urlsafe(12),
        salt=_SALT,
        max_age=REMEMBERED,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def end_all() -> int:
    """Forget all failures, and with them each lock-out."""
    return Failures.objects.all().delete()[0]


def network(address: str) -> str:
    """What counts as one address: for IPv6 its first half, since the other is its owner's to choose."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)


def _counted(request: HttpRequest, name: str) -> list[str]:
    """Under what a failure is counted: its session or browser where that is known, else the account at its address, the
    account at all addresses, and the address.
    """
    if known := _known(request, name):
        return [known]
    address = network(str(request.META.get("REMOTE_ADDR", "")))
    name = name.replace("\0", "")  # PostgreSQL stores none
    account = unicodedata.normalize("NFKC", name)[:_LONGEST_NAME].casefold()[:_LONGEST_NAME]
    return [f"at:{address}:{account}", f"{_OF_ALL}{account}", f"{_OF_AN_ADDRESS}{address}"]


def _known(request: HttpRequest, name: str) -> str:
    """The session of whom the name is, or the browser that they logged in with before; empty for neither."""
    known = getattr(request, "user", None)
    if known is not None and known.is_authenticated and known.get_username() == name:
        return f"session:{known.pk}"
    user = User.objects.filter(username=name).first() if 0 < len(name) <= _LONGEST_NAME and "\0" not in name else None
    browser = _browser(request, user) if user else ""
    return f"browser:{user.pk}:{browser}" if user and browser else ""


def _browser(request: HttpRequest, user: AbstractBaseUser) -> str:
    try:
        return str(request.get_signed_cookie(_cookie(user), "", salt=_SALT, max_age=REMEMBERED))[:32]
    except BadSignature:
        return ""


def _cookie(user: AbstractBaseUser) -> str:
    return f"known-{user.pk}"


def _count(counted: str, *, now: datetime) -> tuple[int, datetime | None]:
    """One more failure: how many there are now, and until when it locks out."""
    row, _is_new = Failures.objects.select_for_update().get_or_create(counted=counted, defaults={"last_at": now})
    by_address = counted.startswith(_OF_AN_ADDRESS)
    forgotten = now - row.last_at > (_WINDOW if by_address else _FORGOTTEN)
    row.number = 1 if forgotten else row.number + 1
    row.last_at = now
    free = _FREE_OF_ALL if counted.startswith(_OF_ALL) else _FREE
    wait = _at_an_address(row.number) if by_address else _of_an_account(row.number - free)
    row.locked_until = now + wait if wait else None
    row.save()
    return row.number, row.locked_until


def _at_an_address(number: int) -> timedelta:
    return _WINDOW if number >= _AT_AN_ADDRESS else timedelta()


def _of_an_account(beyond: int) -> timedelta:
    """Twice as long with each failure beyond those that are free."""
    return min(_FIRST_WAIT * 2 ** min(beyond - 1, 10), _LONGEST_WAIT) if beyond > 0 else timedelta()
