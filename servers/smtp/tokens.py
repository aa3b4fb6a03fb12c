"""Access tokens of mail servers, which all workers share."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from servers.tokens import SharedToken
from transports.net.guard import Policy
from transports.net.oauth import TokenRequest, fetch


def shared(request: TokenRequest, *, timeout: timedelta, policy: Policy) -> SharedToken:
    """The one token of this request."""
    parts = (request.url, request.client_id, request.client_secret, request.scope, request.subject)
    return SharedToken(*parts, fetch=partial(fetch, request, timeout=timeout, policy=policy), timeout=timeout)
