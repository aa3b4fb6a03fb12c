"""Where connections may go, as the operator's settings say."""

from __future__ import annotations

from django.conf import settings

from transports.net.guard import Policy


def http_policy() -> Policy:
    """Where requests over HTTPS may go: public addresses, and what the operator allows."""
    return Policy(
        ports=settings.XMNOTIFY_HTTPS_PORTS,
        allowed=settings.XMNOTIFY_ALLOWED_NETWORKS,
        denied=settings.XMNOTIFY_DENIED_NETWORKS,
    )
