"""The account at a simulated Nexmo: who may send what, in the service's own status numbers."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

from msgspec import Struct, field

from transports.addresses.segments import Encoding, cut

_MOST_CHARACTERS = 3200
_MOST_SKEW = 300
_ERRORS = {
    "1": "Throttled",
    "2": "Missing {}",
    "3": "Invalid value for param: {}",
    "4": "Bad Credentials",
    "5": "Internal Error",
    "6": "Unroutable message - rejected",
    "7": "Number barred",
    "8": "Partner account barred",
    "9": "Quota Exceeded - rejected",
    "10": "Too many existing binds",
    "11": "Account not enabled for HTTP",
    "12": "Message too long",
    "14": "Invalid Signature",
    "15": "Illegal Sender Address - rejected",
    "22": "Invalid Network Code",
    "23": "Invalid Callback Url",
    "29": "Non White-listed Destination - rejected",
    "32": "Signature And API Secret Disallowed",
    "33": "Number De-activated",
}


class Account(Struct, frozen=True):
    """`test_numbers` set makes it a trial that sends to those alone. `clock` is how far its clock is ahead, in seconds.

    With a signature secret requests may be signed by `signature_method`, and receipts are.
    """

    key: str = "demo"
    secret: str = "demo-secret"  # noqa: S105 - of a stand-in
    numbers: tuple[str, ...] = ("12015550123",)
    features: tuple[str, ...] = ("VOICE", "SMS")
    balance: float = 10.0
    price: float = 0.0333
    suspended: bool = False
    http_enabled: bool = True
    test_numbers: frozenset[str] | None = None
    barred: frozenset[str] = frozenset()
    signature_secret: str = ""
    signature_method: str = "sha256"
    clock: float = 0.0
    rate: int = 0
    latency: float = 0.0

    def may_look(self, *, key: str, secret: str) -> bool:
        """Whether the account's pages answer."""
        return (key, secret) == (self.key, self.secret)

    def refusal(self, form: Mapping[str, str]) -> tuple[str, str] | None:
        """Status and error text for a submission; None when it is taken."""
        found = self._credentials(form) or self._message(form)
        return (found[0], _ERRORS[found[0]].format(*found[1:])) if found else None

    def sign(self, form: Mapping[str, str]) -> str:
        """As documented: sorted, joined, `&` and `=` in values replaced, keyed by the signature secret."""
        words = "".join(
            f"&{name}={form[name].translate(str.maketrans('&=', '__'))}" for name in sorted(form) if name != "sig"
        )
        return hmac.new(
            self.signature_secret.encode(), words.encode(), getattr(hashlib, self.signature_method)
        ).hexdigest()

    def _credentials(self, form: Mapping[str, str]) -> tuple[str, ...] | None:
        if not form.get("api_key"):
            return ("2", "api_key")
        if form["api_key"] != self.key:
            return ("4",)
        if "sig" in form and "api_secret" in form:
            return ("32",)
        if "sig" in form:
            timestamp = form.get("timestamp", "")
            late = not timestamp.isdecimal() or abs(time.time() + self.clock - int(timestamp)) > _MOST_SKEW
            return ("14",) if late or not self.signature_secret or form["sig"].lower() != self.sign(form) else None
        if "api_secret" not in form:
            return ("2", "api_secret")
        return None if form["api_secret"] == self.secret else ("4",)

    def _message(self, form: Mapping[str, str]) -> tuple[str, ...] | None:
        missing = next((name for name in ("to", "from", "text") if not form.get(name)), "")
        to = form.get("to", "")
        checks: tuple[tuple[bool, tuple[str, ...]], ...] = (
            (self.suspended, ("8",)),
            (not self.http_enabled, ("11",)),
            (self.balance < self.price, ("9",)),
            (bool(missing), ("2", missing)),
            (not to.isdecimal() or not 7 <= len(to) <= 15, ("3", "to")),
            (not form.get("from", "").isalnum() or len(form.get("from", "")) > 15, ("3", "from")),
            (len(form.get("text", "")) > _MOST_CHARACTERS, ("12",)),
            (len(form.get("client-ref", "")) > 100, ("3", "client-ref")),
            (len(form.get("callback", "")) > 100, ("23",)),
            (to in self.barred, ("7",)),
            (self.test_numbers is not None and to not in self.test_numbers, ("29",)),
            (to.startswith("1") and form.get("from", "") not in self.numbers, ("15",)),
        )
        return next((answer for wrong, answer in checks if wrong), None)


class Pace(Struct):
    """Counts the requests of each second against the account's rate."""

    second: int = 0
    count: int = 0

    def is_too_fast(self, rate: int) -> bool:
        now = int(time.time())
        if now != self.second:
            self.second, self.count = now, 0
        self.count += 1
        return bool(rate) and self.count > rate


class Cut(Struct, frozen=True):
    """A text as the service sends it on: what the alphabet lacks has become a question mark under `type=text`."""

    encoding: str
    parts: tuple[str, ...] = field(default=())


def split(text: str, *, kind: str) -> Cut:
    """As the service does by `type`; characters outside GSM 7-bit are lost where it is not `unicode`."""
    if kind == "unicode":
        units = cut(text)
        return Cut("UCS-2", units.parts if units.encoding is Encoding.UCS_2 else _as_unicode(text))
    readable = "".join(one if cut(one).encoding is Encoding.GSM_7 else "?" for one in text)
    return Cut("GSM-7", cut(readable).parts)


def _as_unicode(text: str) -> tuple[str, ...]:
    """GSM text sent as Unicode: no character is wide."""
    room = len(text) if len(text) <= 70 else 67
    return tuple(text[start : start + room] for start in range(0, len(text), room))


def error_text(status: str) -> str:
    return _ERRORS.get(status, "Unknown error").format("parameter")
