"""Secrets that were typed into a form which was refused: kept in its page, sealed, so that nobody types them again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from msgspec import Struct

from foundation.secrets import SecretUnreadableError, seal, unseal

KEPT = timedelta(hours=1)
_SUFFIX = "_kept"


class Keeper(Struct, frozen=True):
    """Whose form it is. `page` is its address, `bound` has by secret the other fields that it is kept for."""

    user: int
    page: str
    bound: Mapping[str, Iterable[str]]

    def restore(self, posted: QueryDict) -> tuple[QueryDict, list[str]]:
        """What was posted with the kept secrets in boxes left empty, and the names of those that can't be kept on.

        Those are of another user or page, or typed more than an hour ago or for other values of what they are bound to.
        """
        full, lost = posted.copy(), []
        for secret in self.bound:
            if posted.get(secret) or not posted.get(secret + _SUFFIX):
                continue
            words = self._reopen(secret, posted)
            if words is None:
                lost.append(secret)
            else:
                full[secret] = words
        return full, lost

    def keep(self, posted: QueryDict, *, restored: QueryDict, refused: Iterable[str]) -> dict[str, str]:
        """By name of its hidden box, each secret of a form that comes back, but for those `refused` themselves."""
        return {
            secret + _SUFFIX: self._seal(secret, posted) if posted.get(secret) else _text(posted, secret + _SUFFIX)
            for secret in self.bound
            if restored.get(secret) and secret not in set(refused)
        }

    def _seal(self, secret: str, posted: QueryDict) -> str:
        at = timezone.now().timestamp()
        return seal(json.dumps([self._purpose(secret, posted), at, _text(posted, secret)]))

    def _reopen(self, secret: str, posted: QueryDict) -> str | None:
        try:
            purpose, at, words = json.loads(unseal(_text(posted, secret + _SUFFIX)))
        except (SecretUnreadableError, ValueError):
            return None
        fresh = timezone.now().timestamp() - at < KEPT.total_seconds()
        return str(words) if purpose == self._purpose(secret, posted) and fresh else None

    def _purpose(self, secret: str, posted: QueryDict) -> list[Any]:
        bound = {name: _text(posted, name).strip() for name in sorted(self.bound[secret])}
        return ["typed secret", self.user, self.page, secret, bound]


def _text(posted: QueryDict, name: str) -> str:
    return str(posted.get(name) or "")
