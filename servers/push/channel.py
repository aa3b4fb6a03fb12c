"""From a stored push service to the channel that speaks to it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from servers.models import PushService
from servers.policies import http_policy
from servers.tokens import SharedToken
from servers.values import Experience
from transports.push.apns import ApnsChannel
from transports.push.config import ApnsConfig, Environment, FcmConfig, SigningKey
from transports.push.fcm import FcmChannel
from transports.push.tokens import access_token, provider_token
from transports.types import Channel


def build_apns(service: PushService, _experience: Experience) -> Channel:
    """Its provider token is shared between all workers. Raises SecretUnreadableError."""
    config = apns(service)
    return ApnsChannel(config, policy=http_policy(), tokens=_provider_tokens(config))


def build_fcm(service: PushService, _experience: Experience) -> Channel:
    """Its access token is shared between all workers. Raises SecretUnreadableError."""
    config, policy = fcm(service), http_policy()
    fetch = partial(access_token, config.account, config, policy=policy)
    parts = ("fcm", config.key_file, config.url)
    tokens = SharedToken(*parts, fetch=fetch, timeout=config.timeout)
    return FcmChannel(config, policy=policy, tokens=tokens)


def apns(service: PushService) -> ApnsConfig:
    """The service's settings for its transport, secrets revealed; equal settings are equal.

    With a key the certificate is not used. Raises SecretUnreadableError.
    """
    pem = service.key_file.reveal()
    return ApnsConfig(
        topic=service.topic,
        key=SigningKey(service.key_id, service.team_id, pem) if pem else None,
        certificate="" if pem else service.certificate.reveal(),
        environment=Environment(service.environment),
        base_url=service.base_url,
        timeout=timedelta(seconds=service.timeout),
        ca_bundle=service.ca_bundle,
    )


def fcm(service: PushService) -> FcmConfig:
    """As `apns`."""
    return FcmConfig(
        key_file=service.service_account.reveal(),
        base_url=service.base_url,
        timeout=timedelta(seconds=service.timeout),
        ca_bundle=service.ca_bundle,
    )


def _provider_tokens(config: ApnsConfig) -> SharedToken | None:
    key = config.key
    if key is None:
        return None
    parts = ("apns", key.key_id, key.team_id, key.pem)
    return SharedToken(*parts, fetch=partial(provider_token, key), timeout=config.timeout)
