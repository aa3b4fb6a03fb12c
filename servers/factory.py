"""From a stored server to the channel that speaks to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from msgspec import structs

from servers.models import SmsGateway, SmtpServer
from servers.queries import AnyServer, find
from servers.sms import receipts
from servers.smtp.tokens import SharedToken
from servers.values import UNKNOWN, Experience
from transports.net.guard import Policy
from transports.net.oauth import FreshToken, TokenRequest, TokenSource
from transports.nexmo.channel import NexmoChannel
from transports.nexmo.config import OFFICIAL_HOST, NexmoConfig, SignatureMethod, Signer
from transports.smtp.channel import SmtpChannel
from transports.smtp.config import Credentials, Mechanism, MinimumTls, Pipelining, Security, SmtpConfig
from transports.types import Channel


class TokenSourceOf(Protocol):
    """How a source of access tokens is made."""

    def __call__(self, request: TokenRequest, *, timeout: timedelta, policy: Policy) -> TokenSource: ...


def build_channel(server: AnyServer, *, experience: Experience = UNKNOWN) -> Channel:
    """The channel of this revision of the server that heeds what it was seen to do.

    Made once a process, for its TLS context is expensive.
    """
    return _built(server.pk, server.revision, experience)


@lru_cache(maxsize=64)
def _built(server_id: int, revision: int, experience: Experience) -> Channel:
    server = find(server_id)
    assert server is not None
    return _BUILDERS[type(server)](server, experience)


def smtp_config(
    server: SmtpServer, *, tokens: TokenSourceOf = FreshToken, experience: Experience = UNKNOWN
) -> SmtpConfig:
    """The server's settings for its transport, secrets revealed; equal settings are equal.

    `tokens` makes the source of access tokens; what `experience` says holds where the settings allow more. Raises
    SecretUnreadableError.
    """
    limits = [limit for limit in (server.messages_per_connection, experience.session_limit) if limit]
    return SmtpConfig(
        host=server.host,
        from_email=server.from_email,
        from_name=server.from_name,
        port=server.port,
        security=Security(server.security),
        timeout=timedelta(seconds=server.timeout),
        credentials=_credentials(server, tokens=tokens) if server.authentication else None,
        ca_bundle=server.ca_bundle,
        minimum_tls=MinimumTls(server.tls_minimum),
        verify_certificate=server.verify_certificate,
        envelope_sender=server.envelope_sender,
        ehlo_name=settings.XMNOTIFY_EHLO_NAME,
        messages_per_connection=min(limits, default=0),
        pipelining=Pipelining.OFF if experience.no_pipelining else Pipelining(server.pipelining),
    )


def smtp_policy() -> Policy:
    """Where mail may be handed over: private relays are normal, the ports are the operator's."""
    return Policy(
        ports=settings.XMNOTIFY_SMTP_PORTS,
        private=True,
        allowed=settings.XMNOTIFY_ALLOWED_NETWORKS,
        denied=settings.XMNOTIFY_DENIED_NETWORKS,
    )


def sms_config(gateway: SmsGateway) -> NexmoConfig:
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


def sms_policy() -> Policy:
    """Where SMS may be handed over: as other requests, and without HTTPS to the ports of HTTP."""
    policy = http_policy()
    ports = settings.XMNOTIFY_HTTP_PORTS
    return structs.replace(policy, ports=None if policy.ports is None or ports is None else policy.ports | ports)


def http_policy() -> Policy:
    """Where requests over HTTPS may go: public addresses, and what the operator allows."""
    return Policy(
        ports=settings.XMNOTIFY_HTTPS_PORTS,
        allowed=settings.XMNOTIFY_ALLOWED_NETWORKS,
        denied=settings.XMNOTIFY_DENIED_NETWORKS,
    )


def _credentials(server: SmtpServer, *, tokens: TokenSourceOf) -> Credentials:
    mechanism = Mechanism.NTLM if server.spa else Mechanism(server.mechanism)
    if mechanism is Mechanism.XOAUTH2:
        request = TokenRequest(
            url=server.oauth_token_url,
            client_id=server.oauth_client_id,
            client_secret=server.oauth_client_secret.reveal(),
            scope=server.oauth_scope,
        )
        source = tokens(request, timeout=timedelta(seconds=server.timeout), policy=http_policy())
        return Credentials(username=server.username, mechanism=mechanism, tokens=source)
    return Credentials(
        username=server.username, password=server.password.reveal(), mechanism=mechanism, ntlm_v1=server.ntlm_v1
    )


def _smtp(server: SmtpServer, experience: Experience) -> Channel:
    return SmtpChannel(smtp_config(server, tokens=SharedToken, experience=experience), policy=smtp_policy())


def _sms(gateway: SmsGateway, _experience: Experience) -> Channel:
    return NexmoChannel(sms_config(gateway), policy=sms_policy())


_BUILDERS: dict[type, Callable[[Any, Experience], Channel]] = {SmtpServer: _smtp, SmsGateway: _sms}


def forget() -> None:
    """Drop the channels made so far, as when the settings or keys they were made with have changed."""
    _built.cache_clear()
