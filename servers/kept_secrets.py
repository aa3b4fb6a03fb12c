"""A stored secret is for the address it was typed for; beside another one it has to be typed again."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.secrets import Secret
from servers.models import Server


def moved(server: Server, secret: str, *, places: tuple[str, ...], used: bool) -> Iterator[tuple[str, ValidationError]]:
    """The problem, by field, when `secret` was left as loaded while one of `places`, where it is sent, was changed.

    One that is not `used` now is forgotten instead, so that it can't be sent there later either.
    """
    before, now = server.loaded, getattr(server, secret)
    if not before.get(secret) or not isinstance(now, Secret) or now.sealed != before[secret].sealed:
        return
    changed = [place for place in places if _authority(getattr(server, place)) != _authority(before[place])]
    if changed and used:
        known = ", ".join(_authority(before[place]) or _("the usual address") for place in changed)
        yield secret, ValidationError(_("The stored one is for %s only: type it again.") % known, code="moved")
    elif changed:
        setattr(server, secret, Secret())


def _authority(address: str) -> str:
    """Of a URL what stands before its path; a host as it is."""
    return address.partition("://")[2].partition("/")[0] or address
