"""What was typed into a form whose session had ended or whose token was old: kept, sealed, until it is shown again.

Before a log-in it stands in the log-in page, so that nobody who is not logged in makes anything be stored; after it in
the session, until the page with the form is opened.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta

from django.http import HttpRequest, QueryDict
from django.utils import timezone

from console.kit import confirmation
from foundation.secrets import SecretUnreadableError, seal, unseal

BOX = "typed"
"""The name of the hidden box of the log-in page."""
_KEPT = timedelta(hours=1)
_MOST = 500_000
_PURPOSE = "interrupted"
_SESSION = "console.interrupted"
_NEVER = ("csrfmiddlewaretoken", confirmation.OWN_PASSWORD)


def hold(request: HttpRequest, *, secrets: Collection[str]) -> str:
    """What was posted, sealed, without these boxes; empty when it is too much to keep."""
    body = request.POST.copy()
    for name in (*_NEVER, *secrets):
        body.pop(name, None)
    typed = body.urlencode()
    if len(typed) > _MOST:
        return ""
    return seal(json.dumps([_PURPOSE, request.path, timezone.now().timestamp(), typed]))


def keep(request: HttpRequest, sealed: str) -> None:
    """Until the form is opened in this session."""
    if _reopen(sealed):
        request.session[_SESSION] = sealed


def take(request: HttpRequest) -> QueryDict | None:
    """What was typed into the form of this page, once; None when nothing was, or more than an hour ago."""
    found = _reopen(request.session.get(_SESSION, ""))
    if found is None or found[0] != request.path:
        return None
    del request.session[_SESSION]
    return QueryDict(found[1])


def _reopen(sealed: str) -> tuple[str, str] | None:
    """Path and body."""
    try:
        purpose, path, at, body = json.loads(unseal(sealed))
    except (SecretUnreadableError, ValueError):
        return None
    fresh = purpose == _PURPOSE and timezone.now().timestamp() - at < _KEPT.total_seconds()
    return (path, body) if fresh else None
