"""Answers of Nexmo's SMS API, and what they mean for a message, a recipient or the whole gateway."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import requests
from msgspec import Struct

from transports.net.refusal_words import refusal_words
from transports.types import Deferred, Outcome, Reason, ReasonCode, Rejected, Scope, Sent, Unknown

SHORT_PAUSE = timedelta(seconds=1)
"""How long the service wants a sender to be quiet that was too fast; its documentation says about a second."""
_LONGEST_REST = timedelta(hours=1)
_MAX_DETAIL = 500


class Row(Struct, frozen=True):
    """One line of the table: what a part's `status` means. `words` is a regular expression for its error text."""

    status: str
    reason: ReasonCode
    scope: Scope
    later: bool = False
    words: str = ""


_MESSAGE, _RECIPIENT, _SERVER = Scope.MESSAGE, Scope.RECIPIENT, Scope.SERVER

# Source of all: developer.vonage.com, "Troubleshooting SMS", SMS API error codes.
ROWS: tuple[Row, ...] = (
    Row("1", ReasonCode.THROTTLED, _SERVER, later=True),  # more than 30 requests/s a key, or a number's own limit
    Row("2", ReasonCode.CONFIGURATION, _SERVER, words=r"\bapi[_-]?(key|secret)\b"),  # a parameter is missing
    Row("2", ReasonCode.PERMANENT, _MESSAGE),
    Row("3", ReasonCode.NUMBER_INVALID, _RECIPIENT, words=r"\b(to|recipient|msisdn)\b"),  # a value is invalid
    Row("3", ReasonCode.SENDER_REFUSED, _RECIPIENT, words=r"\b(from|sender)\b"),
    Row("3", ReasonCode.PERMANENT, _MESSAGE),
    Row("4", ReasonCode.CREDENTIALS_REFUSED, _SERVER),
    Row("5", ReasonCode.TEMPORARY, _MESSAGE, later=True),  # internal error, while this message was processed
    Row("6", ReasonCode.NUMBER_INVALID, _RECIPIENT),  # such as an unknown prefix
    Row("7", ReasonCode.NUMBER_BARRED, _RECIPIENT),
    Row("8", ReasonCode.ACCOUNT_SUSPENDED, _SERVER),
    Row("9", ReasonCode.OUT_OF_CREDIT, _SERVER),
    Row("10", ReasonCode.THROTTLED, _SERVER, later=True),  # too many connections at a time
    Row("11", ReasonCode.CONFIGURATION, _SERVER),  # the account may not use the HTTP interface
    Row("12", ReasonCode.TEXT_TOO_LONG, _MESSAGE),
    Row("14", ReasonCode.SIGNATURE_REFUSED, _SERVER),
    Row("15", ReasonCode.SENDER_REFUSED, _RECIPIENT),  # this sender is not allowed in the recipient's country
    Row("22", ReasonCode.PERMANENT, _RECIPIENT),  # the network code does not fit the number
    Row("23", ReasonCode.CONFIGURATION, _SERVER),  # the address for receipts is none
    Row("29", ReasonCode.DEMO_ACCOUNT, _RECIPIENT),  # until the account is topped up, it sends to its test numbers
    Row("32", ReasonCode.CONFIGURATION, _SERVER),  # signature and secret were both given
    Row("33", ReasonCode.NUMBER_INVALID, _RECIPIENT),  # the number is deactivated
)

# RFC 9110 15. The service itself answers 200; a proxy, a firewall or a wrong address does not.
_HTTP_ROWS: tuple[tuple[str, ReasonCode, Scope, type[Deferred | Rejected | Unknown]], ...] = (
    ("401", ReasonCode.CREDENTIALS_REFUSED, _SERVER, Deferred),
    ("402", ReasonCode.OUT_OF_CREDIT, _SERVER, Deferred),
    ("429", ReasonCode.THROTTLED, _SERVER, Deferred),
    ("403|407|451", ReasonCode.POLICY, _SERVER, Deferred),
    ("504", ReasonCode.NO_ANSWER, _SERVER, Unknown),  # what stands between waited in vain: it may have been taken
    ("413", ReasonCode.TEXT_TOO_LONG, _MESSAGE, Rejected),
    ("400|422", ReasonCode.PERMANENT, _MESSAGE, Rejected),
    ("501", ReasonCode.CONFIGURATION, _SERVER, Deferred),
    ("5..", ReasonCode.SERVICE_UNAVAILABLE, _SERVER, Deferred),
    (".*", ReasonCode.CONFIGURATION, _SERVER, Deferred),  # nothing is there, or it redirects
)


def judge(answer: requests.Response, *, secrets: Sequence[str] = ()) -> Outcome:
    """What an answer to a submission means; `secrets` are cut out of what is repeated of it.

    A reason with SERVER scope is always Deferred: the message may go when the gateway is back or repaired.
    """
    if answer.status_code != 200:
        reason = _own_reason(answer, secrets=secrets)
        return _refused(reason) if reason else _http(answer, secrets=secrets)
    parts = _parts(answer)
    if parts is None:
        return _unreadable(answer)
    taken = [part for part in parts if part.get("status") == "0"]
    if len(taken) == len(parts):
        return _sent(parts)
    refused = next(part for part in parts if part.get("status") != "0")
    reason = _reason(refused, secrets=secrets)
    if taken:
        # The taken parts are billed, and the phone can't put the text together without the others.
        ids = " ".join(str(part.get("message-id", "")) for part in taken)
        detail = f"{len(taken)} of {len(parts)} parts were taken ({ids}); then: {reason.detail}"
        return Rejected(Reason(ReasonCode.PARTLY_SENT, _MESSAGE, detail[:_MAX_DETAIL], reply=reason.reply))
    return _refused(reason)


def _own_reason(answer: requests.Response, *, secrets: Sequence[str]) -> Reason | None:
    """Why all parts were refused, where a compatible service says so in the table's words under a status of its own."""
    parts = _parts(answer) if 400 <= answer.status_code < 500 else None
    known = {row.status for row in ROWS}
    return _reason(parts[0], secrets=secrets) if parts and {part.get("status") for part in parts} <= known else None


def lacks_page(answer: requests.Response) -> bool:
    """Whether the service has no such page of the account, as those that are compatible with this one's SMS may not.

    Source: RFC 9110 15.5 and 15.6.2; some answer what they do not know with 400, or with JSON of another kind.
    """
    return answer.status_code in {400, 404, 405, 410, 422, 501}


def unreadable_account(answer: requests.Response, *, secrets: Sequence[str]) -> Reason | None:
    """Why an answer of the account's pages (balance, numbers) is of no use; None for JSON under status 200."""
    if answer.status_code != 200:
        return _http(answer, secrets=secrets).reason
    return None if _json(answer) is not None else _unreadable(answer).reason


def account(answer: requests.Response) -> Mapping[str, Any]:
    """The fields of such an answer."""
    return _json(answer) or {}


def _http(answer: requests.Response, *, secrets: Sequence[str]) -> Deferred | Rejected | Unknown:
    status = str(answer.status_code)
    code, scope, kind = next(row[1:] for row in _HTTP_ROWS if re.fullmatch(row[0], status))
    said = refusal_words(answer) if status.startswith("4") else ""
    detail = cleaned(": ".join(words for words in (answer.reason, said) if words), secrets=secrets)
    if status.startswith("3"):
        detail = f"it redirects to {cleaned(answer.headers.get('Location', 'nowhere'), secrets=secrets)}"
    reason = Reason(code, scope, detail, reply=status)
    if kind is not Deferred:
        return kind(reason)
    pause = _retry_after(answer) or (SHORT_PAUSE if code is ReasonCode.THROTTLED else None)
    return Deferred(reason, retry_after=pause)


def _retry_after(answer: requests.Response) -> timedelta | None:
    """The delay in seconds (RFC 9110 10.2.3), an hour at most; a date there is passed over."""
    reported = answer.headers.get("Retry-After", "")
    return min(timedelta(seconds=int(reported)), _LONGEST_REST) if re.fullmatch("[0-9]{1,6}", reported) else None


def _parts(answer: requests.Response) -> list[Mapping[str, Any]] | None:
    found = (_json(answer) or {}).get("messages")
    if not isinstance(found, list) or not found or not all(isinstance(part, dict) for part in found):
        return None
    return found


def _json(answer: requests.Response) -> dict[str, Any] | None:
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _unreadable(answer: requests.Response) -> Deferred | Unknown:
    """Something else than the service answers, unless it looks like the service's own answer cut off."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0] or "no type"
    detail = f"the answer ({kind[:60]}) is none of the SMS service"
    if "json" in kind:
        return Unknown(Reason(ReasonCode.PROTOCOL_ERROR, _SERVER, detail, reply="200"))
    return Deferred(Reason(ReasonCode.PROTOCOL_ERROR, _SERVER, detail, reply="200"))


def _sent(parts: Sequence[Mapping[str, Any]]) -> Sent:
    """All ids, for a receipt comes for each part; price and balance as the service tells them."""
    words = [f"{len(parts)} parts"] if len(parts) > 1 else []
    prices = [str(part["message-price"]) for part in parts if part.get("message-price")]
    words += (
        [f"price {' + '.join(dict.fromkeys(prices)) if len(set(prices)) > 1 else _total(prices)}"] if prices else []
    )
    for name, reported in (("balance", "remaining-balance"), ("network", "network")):
        if parts[-1].get(reported):
            words.append(f"{name} {parts[-1][reported]}")
    ids = " ".join(str(part.get("message-id", "")) for part in parts).strip()
    return Sent(ids, detail=cleaned(", ".join(words)), reply="0")


def _total(prices: Sequence[str]) -> str:
    return prices[0] if len(prices) == 1 else f"{len(prices)} x {prices[0]}"


def _reason(part: Mapping[str, Any], *, secrets: Sequence[str]) -> Reason:
    status = str(part.get("status", ""))[:16]
    detail = cleaned(str(part.get("error-text", "")), secrets=secrets)
    row = next(
        (row for row in ROWS if row.status == status and re.search(row.words, detail, re.IGNORECASE)),
        Row(status, ReasonCode.PERMANENT, _MESSAGE),
    )
    return Reason(row.reason, row.scope, detail, reply=status)


def _refused(reason: Reason) -> Outcome:
    later = any(row.later for row in ROWS if row.status == reason.reply)
    if reason.code is ReasonCode.THROTTLED:
        return Deferred(reason, retry_after=SHORT_PAUSE)
    return Deferred(reason) if later or reason.scope is Scope.SERVER else Rejected(reason)


def cleaned(words: str, *, secrets: Sequence[str] = ()) -> str:
    """A peer's words in one line, without our secrets, cut to a length that can be shown."""
    for secret in secrets:
        for written in (secret, quote_plus(secret), quote(secret), json.dumps(secret)[1:-1], html.escape(secret)):
            words = words.replace(written, "***")
    return "".join(character if character.isprintable() else " " for character in words)[:_MAX_DETAIL].strip()
