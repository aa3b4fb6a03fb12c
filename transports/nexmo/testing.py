"""Test Configuration of an SMS gateway: one real SMS over the same code as every other, reported stage by stage."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import requests
from msgspec import structs

from transports.marks import gettext_noop as _
from transports.net.guard import HTTP_POLICY, ConnectionFailed, Policy
from transports.net.http_line import session
from transports.net.skew import ahead
from transports.nexmo.channel import NexmoChannel, NexmoConnection, http_line
from transports.nexmo.config import NexmoConfig
from transports.nexmo.hints import advise, wrong_clock
from transports.nexmo.replies import account, cleaned, lacks_page, unreadable_account
from transports.stages import Stage, StageName, failed, passed, since
from transports.types import Message, Reason, ReasonCode, Recipient, Rejected, Scope, Sent, Wire

_SLOW_HINT = _("The service answers slowly.")
_MOST_SKEW = timedelta(minutes=2)


def run(config: NexmoConfig, *, message: Message, to: Recipient, policy: Policy = HTTP_POLICY) -> Iterator[Stage]:
    """Send `message` to `to` and yield each stage as it ends; the first that fails is the last. Nothing is retried."""
    line = http_line(config, policy=policy)
    account_pages = _Account(config, session(line))
    try:
        for step in line.steps():
            began = time.monotonic()
            try:
                detail = step.run()
            except ConnectionFailed as failure:
                yield failed(step.name, since(began), failure.reason, advise(failure.reason))
                return
            yield passed(step.name, since(began), detail, slow_hint=_SLOW_HINT)
        for stage in account_pages.stages():
            yield stage
            if not stage.ok:
                return
        wire = NexmoChannel(config, policy=policy).prepare(message, (to,))
        if isinstance(wire, Rejected):
            yield failed(StageName.NUMBER, timedelta(), wire.reason, advise(wire.reason))
            return
        yield _accepted(NexmoConnection(config, line), wire, skew=account_pages.skew)
    finally:
        line.close()


class _Account:
    """What the account says of itself; `skew` is how far the service's clock is ahead of ours."""

    def __init__(self, config: NexmoConfig, over: requests.Session) -> None:
        self._config = config
        self._session = over
        self.skew = timedelta()

    def stages(self) -> Iterator[Stage]:
        yield self._stage(StageName.CREDENTIALS, self._balance)
        if self._config.virtual_number:
            yield self._stage(StageName.NUMBER, self._number)

    def _stage(self, name: StageName, ask: Any) -> Stage:
        began = time.monotonic()
        found: str | Reason = ask()
        if isinstance(found, Reason):
            return failed(name, since(began), found, advise(found))
        return passed(name, since(began), found, slow_hint=_SLOW_HINT)

    def _balance(self) -> str | Reason:
        found = self._get("/account/get-balance")
        if not isinstance(found, Mapping):
            return found
        if not isinstance(found.get("value"), int | float):
            return _unchecked("its answer names no balance")
        return f"balance {found['value']} EUR"

    def _number(self) -> str | Reason:
        """Source: developer.vonage.com, Numbers API, "List the numbers you own"."""
        number = self._config.virtual_number
        found = self._get(f"/account/numbers?pattern={number}&search_pattern=0&size=100")
        if not isinstance(found, Mapping):
            return found
        listed = found.get("numbers", [] if "count" in found or not found else None)
        if not isinstance(listed, list):
            return _unchecked("its answer lists no numbers")
        owned = [one for one in listed if isinstance(one, dict)]
        same = next((one for one in owned if one.get("msisdn") == number), None)
        if same is None:
            return Reason(ReasonCode.VIRTUAL_NUMBER_NOT_OWNED, Scope.SERVER, f"{number} is not among its numbers")
        features = [str(feature) for feature in same.get("features") or ()]
        if features and "SMS" not in features:
            detail = f"{number} is a number without SMS"
            return Reason(ReasonCode.VIRTUAL_NUMBER_NOT_OWNED, Scope.SERVER, detail)
        return cleaned(f"{number}, {same.get('country', '')} {', '.join(features)}")

    def _get(self, path: str) -> Mapping[str, Any] | str | Reason:
        """The answer's fields; why there are none, or in words that the service has no such page.

        The secret is in a header: addresses stand in logs.
        """
        signed = (self._config.key, self._config.secret)
        request = requests.Request("GET", self._config.base_url + path, auth=signed)
        try:
            answer = self._session.send(self._session.prepare_request(request), allow_redirects=False)
        except ConnectionFailed as failure:
            return failure.reason
        self.skew = ahead(answer.headers.get("Date", ""))
        if lacks_page(answer):
            return _unchecked(f"the service answers {answer.status_code} to {path.partition('?')[0]}")
        hidden = (*self._config.secrets, b64encode(":".join(signed).encode()).decode())
        return unreadable_account(answer, secrets=hidden) or account(answer)


def _unchecked(why: str) -> str:
    """For a compatible service without this page of the account: whether all is well shows with the message."""
    return f"can't be checked here: {why}"


def _accepted(connection: NexmoConnection, wire: Wire, *, skew: timedelta) -> Stage:
    began = time.monotonic()
    outcome, _dialogue = connection.submit(wire)
    took = since(began)
    if isinstance(outcome, Sent):
        return passed(StageName.ACCEPTED, took, outcome.detail or outcome.provider_id, slow_hint=_SLOW_HINT)
    reason = outcome.reason
    if reason.code is ReasonCode.SIGNATURE_REFUSED and abs(skew) > _MOST_SKEW:
        apart = f"{reason.detail} (clocks {round(abs(skew) / timedelta(minutes=1))} min apart)"
        return failed(StageName.ACCEPTED, took, structs.replace(reason, detail=apart), wrong_clock(skew))
    return failed(StageName.ACCEPTED, took, reason, advise(reason))
