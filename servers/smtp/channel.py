"""From a stored SMTP server to the channel that speaks to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from django.conf import settings

from servers.models import SmtpServer
from servers.policies import http_policy
from servers.smtp import tokens as own_tokens
from servers.values import UNKNOWN, Experience
from transports.net.guard import Policy
from transports.net.oauth import FreshToken, TokenRequest, TokenSource
from transports.smtp.channel import SmtpChannel
from transports.smtp.config import Credentials, Mechanism, MinimumTls, Pipelining, Security, SmtpConfig
from transports.types import Channel


class TokenSourceOf(Protocol):
    """How a source of access tokens is made."""

    def __call__(self, request: TokenRequest, *, timeout: timedelta, policy: Policy) -> TokenSource: ...


def build(server: SmtpServer, experience: Experience) -> Channel:
    """Its access tokens are shared between all workers. Raises SecretUnreadableError."""
    return SmtpChannel(config(server, tokens=own_tokens.shared, experience=experience), policy=policy())


def config(server: SmtpServer, *, tokens: TokenSourceOf = FreshToken, experience: Experience = UNKNOWN) -> SmtpConfig:
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


def policy() -> Policy:
    """Where mail may be handed over: private relays are normal, the ports are the operator's."""
    return Policy(
        ports=settings.XMNOTIFY_SMTP_PORTS,
        private=True,
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
            subject=server.username,
        )
        source = tokens(request, timeout=timedelta(seconds=server.timeout), policy=http_policy())
        return Credentials(username=server.username, mechanism=mechanism, tokens=source)
    return Credentials(
        username=server.username, password=server.password.reveal(), mechanism=mechanism, ntlm_v1=server.ntlm_v1
    )
