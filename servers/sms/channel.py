"""From a stored SMS gateway to the channel that speaks to it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from msgspec import structs

from servers.models import SmsGateway
from servers.policies import http_policy
from servers.sms import receipts
from servers.values import Experience
from transports.net.guard import Policy
from transports.nexmo.channel import NexmoChannel
from transports.nexmo.config import OFFICIAL_HOST, NexmoConfig, SignatureMethod, Signer
from transports.types import Channel


def build(gateway: SmsGateway, _experience: Experience) -> Channel:
    """Raises SecretUnreadableError."""
    return NexmoChannel(config(gateway), policy=policy())


def config(gateway: SmsGateway) -> NexmoConfig:
    """The gateway's settings for its transport, secrets revealed; equal settings are equal.

    With HTTPS on, or a base URL that says so, nothing goes in clear text. Raises SecretUnreadableError.
    """
    written = gateway.base_url.rstrip("/") or f"//{OFFICIAL_HOST}"
    scheme = "https" if gateway.https or written.startswith("https:") else "http"
    return NexmoConfig(
        key=gateway.key,
        secret=gateway.secret.reveal(),
        base_url=f"{scheme}:{written[written.index('//') :]}",
        virtual_number=gateway.virtual_number,
        sender_name=gateway.sender_name,
        signer=signer(gateway),
        callback=receipts.callback(gateway),
        timeout=timedelta(seconds=gateway.timeout),
    )


def signer(gateway: SmsGateway) -> Signer | None:
    """What signs requests and checks receipts; None without a method or a secret. Raises SecretUnreadableError."""
    secret = gateway.signature_secret.reveal()
    if not (secret and gateway.signature_method):
        return None
    return Signer(secret, SignatureMethod(gateway.signature_method))


def policy() -> Policy:
    """Where SMS may be handed over: as other requests, and without HTTPS to the ports of HTTP."""
    secured, ports = http_policy(), settings.XMNOTIFY_HTTP_PORTS
    return structs.replace(secured, ports=None if secured.ports is None or ports is None else secured.ports | ports)
