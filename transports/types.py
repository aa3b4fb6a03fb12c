"""The values and protocols that every kind of server shares: what is sent, to whom, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msgspec import Struct


class ChannelKind(StrEnum):
    """What a template is written for; each kind has at most one active server."""

    SMTP = "smtp"
    SMS = "sms"
    SECURE_HUB = "secure_hub"


class AddressKind(StrEnum):
    """How an address is to be read: RFC 5321 mailbox, E.164 number with "+", APNs hex token, FCM token."""

    MAIL = "mail"
    PHONE = "phone"
    APNS = "apns"
    FCM = "fcm"


class Scope(StrEnum):
    """How far a reason reaches: this message to anybody, this recipient, or everything on this server."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    SERVER = "server"


class ReasonCode(StrEnum):
    """Our stable names for why something did not go through; pages, API and metrics show these."""

    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_REFUSED = "connection_refused"
    NO_ROUTE = "no_route"
    CONNECT_TIMEOUT = "connect_timeout"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_INVALID = "certificate_invalid"
    STARTTLS_MISSING = "starttls_missing"
    GREETING_REFUSED = "greeting_refused"
    PROTOCOL_ERROR = "protocol_error"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"
    SERVICE_UNAVAILABLE = "service_unavailable"
    THROTTLED = "throttled"
    AUTH_NOT_OFFERED = "auth_not_offered"
    AUTH_TEMPORARY = "auth_temporary"
    AUTH_REQUIRED = "auth_required"
    CREDENTIALS_REFUSED = "credentials_refused"
    BASIC_AUTH_DISABLED = "basic_auth_disabled"
    ENCRYPTION_REQUIRED = "encryption_required"
    CONFIGURATION = "configuration"
    ACCOUNT_SUSPENDED = "account_suspended"
    OUT_OF_CREDIT = "out_of_credit"
    SENDER_REFUSED = "sender_refused"
    RELAY_DENIED = "relay_denied"
    ADDRESS_INVALID = "address_invalid"
    ADDRESS_UNKNOWN = "address_unknown"
    MAILBOX_FULL = "mailbox_full"
    MAILBOX_DISABLED = "mailbox_disabled"
    MAILBOX_BUSY = "mailbox_busy"
    GREYLISTED = "greylisted"
    POLICY = "policy"
    CONTENT_REFUSED = "content_refused"
    MESSAGE_TOO_BIG = "message_too_big"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    SMTPUTF8_MISSING = "smtputf8_missing"
    STORAGE_FULL = "storage_full"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    NO_ANSWER = "no_answer"
    ANSWERS_LOST = "answers_lost"
    REFUSED_ALIKE = "refused_alike"
    NUMBER_INVALID = "number_invalid"
    NUMBER_BARRED = "number_barred"
    NUMBER_UNREACHABLE = "number_unreachable"
    VIRTUAL_NUMBER_MISSING = "virtual_number_missing"
    VIRTUAL_NUMBER_NOT_OWNED = "virtual_number_not_owned"
    SIGNATURE_REFUSED = "signature_refused"
    DEMO_ACCOUNT = "demo_account"
    PARTLY_SENT = "partly_sent"
    TOKEN_DEAD = "token_dead"  # noqa: S105 - a reason, not a credential
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a reason, not a credential
    TEXT_TOO_LONG = "text_too_long"
    TEMPLATE_ERROR = "template_error"
    SECRET_WIPED = "secret_wiped"  # noqa: S105 - a reason, not a credential
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a reason, not a credential
    NO_ADDRESS = "no_address"
    NO_SIM = "no_sim"
    DISABLED = "disabled"
    NO_PUSH_TOKEN = "no_push_token"  # noqa: S105 - a reason, not a credential
    VALUE_MISSING = "value_missing"
    SUPPRESSED = "suppressed"
    NO_ACTIVE_SERVER = "no_active_server"
    LEASE_LAPSED = "lease_lapsed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"


class Recipient(Struct, frozen=True):
    """A validated, normalised address."""

    kind: AddressKind
    address: str
    name: str = ""


class Message(Struct, frozen=True):
    """A rendered message: no macro is left in it. `key` is the same on every try and goes out as its id.

    `sender` is the template's own Sender, or None for the server's. `date` is when the event was accepted.
    `visible_to` is whom the To header lists; empty means one recipient sees their own address and several see
    none (`undisclosed-recipients:;`). `bare` is a mail that becomes an SMS: no subject and no names, which would take
    up its space.
    """

    key: UUID
    subject: str
    text: str
    date: datetime
    html: str = ""
    sound: str = ""
    language: str = ""
    sender: Recipient | None = None
    visible_to: tuple[Recipient, ...] = ()
    bare: bool = False


def without_addresses(text: str) -> str:
    """`text` without mail addresses and phone numbers."""
    return " ".join("***" if _is_address(word) else word for word in text.split(" "))


def _is_address(word: str) -> bool:
    bare = word.strip("+()<>[],.;:'\"")
    return "@" in word or (len(bare) > 6 and bare.isdigit())


class Reason(Struct, frozen=True):
    """Why. `detail` is the peer's words without secrets, `reply` its code, `enhanced` the RFC 3463 code."""

    code: ReasonCode
    scope: Scope
    detail: str = ""
    reply: str = ""
    enhanced: str = ""

    @property
    def said(self) -> str:
        """The reply as a log may have it: without whom it is about."""
        return without_addresses(f"{self.reply} {self.detail}".strip())


class Sent(Struct, frozen=True):
    """The peer took it. `detail` is its last reply."""

    provider_id: str = ""
    detail: str = ""
    reply: str = ""
    enhanced: str = ""


class Deferred(Struct, frozen=True):
    """It might go through later; not before `retry_after` where the peer named a time.

    Not `charged`: it did not get its turn, for another recipient's sake or the server's; it goes again as if it had
    not been tried. At least one other recipient of the same wire is charged, or the connection is finished.
    """

    reason: Reason
    retry_after: timedelta | None = None
    charged: bool = True


class Rejected(Struct, frozen=True):
    """It never will go through as it is.

    `gone_at` (UTC) is since when the peer knows that the address is no more, where it says so: a registration that is
    newer counts more than this.
    """

    reason: Reason
    gone_at: datetime | None = None


class Unknown(Struct, frozen=True):
    """It was handed over and no answer came: lost after the final dot, or timed out after the request was written."""

    reason: Reason


Outcome = Sent | Deferred | Rejected | Unknown


class Wire(Struct, frozen=True):
    """A message made ready for one transaction: the exact bytes, and whom it goes to.

    `own_sender` tells that the message names its own From, so a refusal of it says nothing about the server's.
    `downgraded` is the payload for a peer that takes ASCII only, where it differs.
    """

    key: UUID
    to: tuple[Recipient, ...]
    payload: bytes
    own_sender: bool = False
    downgraded: bytes = b""


class Result(Struct, frozen=True):
    """What became of one wire: one outcome per recipient, in the order of `Wire.to`.

    `dialogue` is what was said, at most 2 KB, secrets cut, empty when all were sent.
    """

    outcomes: tuple[Outcome, ...]
    duration: timedelta = timedelta()
    dialogue: str = ""


class LearnedKind(StrEnum):
    """What a server turned out not to do, though it said it would or never said it would not."""

    SESSION_LIMIT = "session_limit"
    NO_PIPELINING = "no_pipelining"


class Learned(Struct, frozen=True):
    """What a connection found out about its server, to be kept with the server and obeyed by every connection.

    `value` is the number of messages one connection carries for SESSION_LIMIT, else 0. `reply` is the peer's words
    without secrets, or what it did in ours.
    """

    kind: LearnedKind
    value: int
    reply: str


HandingOver = Callable[[Wire, Sequence[int]], None]
"""Is called with a wire, and the positions in `Wire.to` of those it goes to, right before it is handed over."""


def unannounced(wire: Wire, to: Sequence[int]) -> None:
    """Nobody wants to know."""


class Connection(Protocol):
    """An open, authenticated way to a peer. Belongs to one thread.

    `learned` is what this connection found out so far, at most one of a kind; read it after `send` has ended.
    """

    @property
    def learned(self) -> tuple[Learned, ...]: ...

    def send(self, wires: Iterable[Wire], *, handing_over: HandingOver = unannounced) -> Iterator[tuple[Wire, Result]]:
        """Send each wire; yield it (the very object) with its result as the replies come, in any order.

        `handing_over` is called once a wire, before the write after which the peer may act on it (the final dot, the
        request). If it raises, the wire is not handed over, the connection is finished, and the exception goes on.

        Never raises for the peer's sake. After a result with a SERVER-scoped reason, or an Unknown for a lost
        connection, the connection is finished: the wires without a result were certainly not handed over.
        """
        ...

    def close(self) -> None:
        """End politely if possible; never raises."""
        ...


class Channel(Protocol):
    """One configured server, ready to prepare and to connect. Safe to share between threads."""

    def prepare(self, message: Message, to: tuple[Recipient, ...]) -> Wire | Rejected:
        """Pure: the bytes to send, or why this message can't be sent through this server at all."""
        ...

    def connect(self) -> Connection | Deferred:
        """Open, secure and authenticate within the timeout of each step; a failure has SERVER scope."""
        ...
