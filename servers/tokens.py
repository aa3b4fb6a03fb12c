"""Access tokens that all workers share through the database, encrypted, so that each is fetched once in its life."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from foundation.secrets import Secret, SecretUnreadableError
from servers.models import AccessToken
from transports.net.guard import ConnectionFailed
from transports.net.oauth import Token

MARGIN = timedelta(minutes=5)


class SharedToken:
    """A `TokenSource` of what `fetch` brings within `timeout`.

    A token near its end is fetched anew by one worker while the others use it up. `parts` say whose token it is;
    another secret among them is another token, so a changed one is tried immediately.
    """

    def __init__(self, *parts: str, fetch: Callable[[], Token], timeout: timedelta) -> None:
        digest = salted_hmac("servers.smtp.tokens", "\0".join(parts), algorithm="sha256").hexdigest()
        self._key = f"oauth:{digest}"
        self._fetch = fetch
        self._timeout = timeout
        self._fetching = threading.Lock()

    def token(self) -> str:
        """Raises ConnectionFailed."""
        with self._fetching:
            now = timezone.now()
            known, ends_at = self._known(now)
            if known and (ends_at > now + MARGIN or not self._win_refresh(now)):
                return known
            try:
                fetched = self._fetch()
            except ConnectionFailed:
                if known:
                    return known
                raise
            self._keep(fetched, now=now)
            return fetched.value

    def forget(self) -> None:
        """See `TokenSource`."""
        AccessToken.objects.filter(key=self._key).delete()

    def _known(self, now: datetime) -> tuple[str, datetime]:
        row = AccessToken.objects.filter(key=self._key, expires_at__gt=now).first()
        try:
            return (row.value.reveal(), row.expires_at) if row else ("", now)
        except SecretUnreadableError:
            return "", now

    def _win_refresh(self, now: datetime) -> bool:
        free = Q(refreshing_until=None) | Q(refreshing_until__lte=now)
        until = now + 2 * self._timeout
        return bool(AccessToken.objects.filter(free, key=self._key).update(refreshing_until=until))

    def _keep(self, token: Token, *, now: datetime) -> None:
        AccessToken.objects.filter(expires_at__lte=now).exclude(key=self._key).delete()
        kept = {"value": Secret.of(token.value), "expires_at": now + token.lifetime, "refreshing_until": None}
        AccessToken.objects.update_or_create(key=self._key, defaults=kept)
