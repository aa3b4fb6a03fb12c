"""Where delivery receipts of an SMS gateway come in: an address with a part that cannot be guessed."""

from __future__ import annotations

import hmac

from django.conf import settings

from foundation.secrets import SecretUnreadableError
from servers.models import SmsGateway
from servers.values import RECEIPT_PATH

_MOST_CALLBACK = 100
"""Characters: the service takes no longer address with a message."""


def address(gateway: SmsGateway) -> str:
    """What to enter as the address for receipts in the account's settings; empty while it is unknown."""
    try:
        token = gateway.receipt_token.reveal()
    except SecretUnreadableError:
        return ""
    return f"{settings.XMNOTIFY_CONSOLE_URL.rstrip('/')}/{RECEIPT_PATH}{token}/" if token else ""


def callback(gateway: SmsGateway) -> str:
    """The address to give with each message: where it is HTTPS, or the gateway is a stand-in with a base URL.

    Empty otherwise; then the one in the account's settings counts. The service refuses a message whose address it does
    not take, and an address on this machine is of no use to it.
    """
    found = address(gateway)
    reachable = found.startswith("https://") or bool(gateway.base_url)
    return found if reachable and len(found) <= _MOST_CALLBACK else ""


def gateway_of(token: str) -> SmsGateway | None:
    """The gateway whose receipts come in under `token`; all are compared, each in constant time."""
    found = None
    for gateway in SmsGateway.objects.all():
        try:
            own = gateway.receipt_token.reveal()
        except SecretUnreadableError:
            continue
        if own and hmac.compare_digest(own.encode(), token.encode()):
            found = gateway
    return found
