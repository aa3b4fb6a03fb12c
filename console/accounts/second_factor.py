"""The second factor of a log-in: codes of an app (TOTP, RFC 6238), each taken once, and recovery codes."""

from __future__ import annotations

import hashlib
import logging
import secrets
from base64 import b32decode, b32encode
from datetime import datetime, timedelta

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString, mark_safe

from console.models import RoleRule, SecondFactor
from foundation.secrets import SecretUnreadableError

_STEP = 30
_RECOVERY_CODES = 10
_FREE_FAILURES = 2
_LONGEST_WAIT = timedelta(minutes=15)

logger = logging.getLogger(__name__)


def is_on(user: AbstractBaseUser) -> bool:
    return SecondFactor.objects.filter(user=user.pk).exists()


def is_required(user: AbstractBaseUser) -> bool:
    """Whether one of the user's roles asks for it."""
    return RoleRule.objects.filter(role__user=user.pk, second_factor=True).exists()


def is_lacking(user: AbstractBaseUser) -> bool:
    """Whether it is required and not there."""
    return is_required(user) and not is_on(user)


def new_secret() -> str:
    """In Base32, as apps take it: 160 bits, as RFC 4226 recommends."""
    return b32encode(secrets.token_bytes(20)).decode()


def address(secret: str, *, name: str) -> str:
    """The otpauth:// address that apps read from a QR code."""
    return _totp(secret).get_provisioning_uri(name, settings.XMNOTIFY_CONSOLE_NAME)


def drawing(address: str) -> SafeString:
    """A QR code as inline SVG, dark on light in every theme, for that is what cameras read."""
    code = segno.make(address, error="m", micro=False)
    return mark_safe(code.svg_inline(scale=4, border=4, light="#fff", omitsize=True, svgclass="qr", lineclass=None))  # noqa: S308 - segno draws it from modules alone


def turn_on(user: AbstractBaseUser, *, secret: str, code: str, now: datetime) -> list[str] | None:
    """Keep the secret if the code is one of it; returns the recovery codes, to be shown once. None if it is not."""
    step = _matching_step(secret, _plain(code), after=-1, now=now)
    if step is None:
        return None
    codes = _recovery_codes()
    SecondFactor.objects.update_or_create(
        user_id=user.pk,
        defaults={
            "secret": secret,
            "last_step": step,
            "recovery": [_digest(one) for one in codes],
            "failures": 0,
            "blocked_until": None,
        },
    )
    return codes


def renew_recovery_codes(factor: SecondFactor) -> list[str]:
    """New ones, to be shown once; the old ones are worth nothing from now on."""
    codes = _recovery_codes()
    factor.recovery = [_digest(one) for one in codes]
    factor.save(update_fields=["recovery"])
    return codes


def verify(user: AbstractBaseUser, code: str, *, now: datetime) -> bool:
    """Whether it is a code of the app that was not used yet, or a recovery code, which is used up by this.

    After a few wrong ones every code is refused for a while that doubles each time, to 15 minutes.
    """
    plain = _plain(code)
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user.pk).first()
        if factor is None or (factor.blocked_until and now < factor.blocked_until):
            return False
        step = _step_of_app(factor, plain, now=now)
        if step is not None:
            factor.last_step = step
        elif _digest(plain) in factor.recovery:
            factor.recovery = [one for one in factor.recovery if one != _digest(plain)]
        else:
            factor.failures += 1
            factor.blocked_until = now + _wait(factor.failures)
            factor.save()
            return False
        factor.failures, factor.blocked_until = 0, None
        factor.save()
        return True


def _wait(failures: int) -> timedelta:
    doubled = timedelta(seconds=2 ** min(failures - _FREE_FAILURES, 10))
    return min(doubled, _LONGEST_WAIT) if failures > _FREE_FAILURES else timedelta()


def _step_of_app(factor: SecondFactor, code: str, *, now: datetime) -> int | None:
    """See `_matching_step`; None where the factor's key can't be read, and recovery codes work all the same."""
    try:
        secret = factor.secret.reveal()
    except SecretUnreadableError:
        logger.warning("second_factor.unreadable user=%s", factor.user_id)
        return None
    return _matching_step(secret, code, after=factor.last_step, now=now)


def _matching_step(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """The time step whose code this is, one before and one ahead included, for clocks differ (RFC 6238 5.2, 6)."""
    totp, current = _totp(secret), int(now.timestamp()) // _STEP
    for step in range(max(current - 1, after + 1), current + 2):
        if constant_time_compare(totp.generate(step * _STEP), code):
            return step
    return None


def _totp(secret: str) -> TOTP:
    return TOTP(b32decode(secret), 6, SHA1(), _STEP)  # noqa: S303 - what apps know; HMAC-SHA1 is sound # nosec B303


def _recovery_codes() -> list[str]:
    """80 bits each, in groups of four."""
    found = [b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(_RECOVERY_CODES)]
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in found]


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def _digest(code: str) -> str:
    """Of 80 random bits, which nobody guesses, so a plain digest will do."""
    return hashlib.sha256(_plain(code).encode()).hexdigest()
