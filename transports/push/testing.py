"""Test Configuration of a push service: over the same code as every push, reported stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from msgspec import structs

from transports.marks import gettext_noop as _
from transports.net.guard import HTTP_POLICY, ConnectionFailed, Policy
from transports.net.http2 import Answer, Http2Line, Lost, Unprocessed
from transports.push import fcm
from transports.push.apns import ApnsChannel
from transports.push.config import ApnsConfig, FcmConfig, FileError, ServiceAccount
from transports.push.connection import Service
from transports.push.fcm import FcmChannel
from transports.push.hints import advise
from transports.stages import Advice, Stage, StageName, Step, failed, passed, since
from transports.types import Message, Reason, ReasonCode, Recipient, Rejected, Scope, Sent, Wire

_SLOW_HINT = _("The service answers slowly.")
_OF_THE_KEY = frozenset({"InvalidProviderToken", "MissingProviderToken", "BadCertificate", "Forbidden"})
_OF_THE_KEY |= {"BadCertificateEnvironment", "BadEnvironmentKeyInToken", "BadEnvironmentKeyIdInToken"}
_OF_THE_KEY |= {"ExpiredProviderToken", "UnrelatedKeyIdInToken", "TooManyProviderTokenUpdates"}


def run_apns(config: ApnsConfig, *, message: Message, to: Recipient, policy: Policy = HTTP_POLICY) -> Iterator[Stage]:
    """Push `message` to `to` and yield each stage as it ends; the first that fails is the last. Nothing is retried."""
    channel = ApnsChannel(config, policy=policy)
    wire = channel.prepare(message, (to,))
    if isinstance(wire, Rejected):
        yield failed(StageName.TOPIC, timedelta(), wire.reason, advise(wire.reason))
        return
    line = config.line(policy=policy)
    try:
        for stage in _steps(line.steps()):
            yield stage
            if not stage.ok:
                return
        began = time.monotonic()
        found = _push(channel.service, line, wire)
        if isinstance(found, Reason) and _is_about_key(found):
            yield failed(StageName.KEY, since(began), found, advise(found))
            return
        yield passed(StageName.KEY, since(began), _identity(config), slow_hint=_SLOW_HINT)
        if isinstance(found, Reason):
            yield failed(StageName.TOPIC, timedelta(), found, advise(found))
        else:
            yield passed(StageName.TOPIC, timedelta(), config.topic, slow_hint="")
    finally:
        line.close()


def run_fcm(config: FcmConfig, *, message: Message, to: Recipient, policy: Policy = HTTP_POLICY) -> Iterator[Stage]:
    """Have FCM check `message` to `to` without sending it, and yield each stage; the first that fails is the last."""
    began = time.monotonic()
    try:
        account, channel = config.account, FcmChannel(config, policy=policy)
    except FileError as error:
        reason = Reason(ReasonCode.CONFIGURATION, Scope.SERVER)
        yield failed(StageName.KEY_FILE, since(began), reason, Advice(error.cause, error.hint))
        return
    yield passed(StageName.KEY_FILE, since(began), f"{account.client_email}, project {account.project}", slow_hint="")
    wire = channel.prepare(message, (to,))
    if isinstance(wire, Rejected):
        yield failed(StageName.VALIDATE_ONLY, timedelta(), wire.reason, advise(wire.reason))
        return
    line = config.line(policy=policy)
    try:
        for stage in _steps((Step(StageName.TOKEN, partial(_fetch, channel, account)), *line.steps())):
            yield stage
            if not stage.ok:
                return
        began = time.monotonic()
        found = _push(channel.service, line, fcm.dry(wire))
        if isinstance(found, Reason):
            yield failed(StageName.VALIDATE_ONLY, since(began), found, advise(found))
        else:
            yield passed(StageName.VALIDATE_ONLY, since(began), found.provider_id, slow_hint=_SLOW_HINT)
    finally:
        line.close()


def _fetch(channel: FcmChannel, account: ServiceAccount) -> str:
    channel.service.tokens.token()
    return account.token_uri


def _steps(steps: Sequence[Step]) -> Iterator[Stage]:
    for step in steps:
        began = time.monotonic()
        try:
            detail = step.run()
        except ConnectionFailed as failure:
            yield failed(step.name, since(began), failure.reason, advise(failure.reason))
            return
        yield passed(step.name, since(began), detail, slow_hint=_SLOW_HINT)


def _push(service: Service, line: Http2Line, wire: Wire) -> Sent | Reason:
    """One push, or what is wrong with it."""
    try:
        token = service.tokens.token() if service.tokens else ""
    except ConnectionFailed as failure:
        return failure.reason
    line.start(service.request(wire, token=token))
    ((_number, end),) = line.ends()
    match end:
        case Answer():
            outcome = service.judge(end, token=token)
            return outcome if isinstance(outcome, Sent) else _hidden(outcome.reason, wire)
        case Unprocessed(said=said):
            reason = Reason(ReasonCode.SERVICE_UNAVAILABLE, Scope.SERVER, f"not processed: {said}")
            return service.trouble(said) or reason
        case Lost(reason=reason):
            return reason


def _hidden(reason: Reason, wire: Wire) -> Reason:
    return structs.replace(reason, detail=reason.detail.replace(wire.to[0].address, "***"))


def _is_about_key(reason: Reason) -> bool:
    """Whether the push never got to be about topic and device."""
    if reason.detail.partition(" ")[0] in _OF_THE_KEY or not reason.reply:
        return True
    settings = {ReasonCode.CONFIGURATION, ReasonCode.TOKEN_REFUSED, ReasonCode.TOKEN_DEAD, ReasonCode.ADDRESS_INVALID}
    return reason.scope is Scope.SERVER and reason.code not in settings


def _identity(config: ApnsConfig) -> str:
    return f"key {config.key.key_id}, team {config.key.team_id}" if config.key else "certificate"
