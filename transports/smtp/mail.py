"""Builds the bytes of a mail (RFC 5322, RFC 2045) from a rendered message: the same bytes on every try.

Headers that are the same for every message are made once. The standard email package costs about a hundred times
as much for a short message; the tests hold these bytes against it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from transports.addresses.mail_address import clean, encoded_words, in_words, mailbox, normalise
from transports.types import Message, Recipient

_AUTOMATIC = "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n"  # RFC 3834
_NOBODY = "undisclosed-recipients:;"
_PLAIN_TEXT = re.compile(r"[\t\n\x20-\x7e]*")
_LINE_ENDS = re.compile(r"\r\n?")
_MAX_LINE = 998  # RFC 5322 2.1.1
_MAX_HEADER_LINE = 78
_AS_IT_IS = 'Content-Type: text/{}; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
_PLAIN_HEAD = _AS_IT_IS.format("plain")


class MailBuilder:
    """Builds the mails of one server. Raises ValueError when the server's own From address is not valid."""

    __slots__ = ("_bare", "_domain", "_email", "_from", "_name", "_tail")

    def __init__(self, *, from_email: str, from_name: str, message_id_domain: str) -> None:
        own = mailbox(from_email, name=from_name)
        self._email = normalise(from_email)
        self._name = from_name
        self._from = f"From: {own}\r\nTo: "
        self._bare = f"From: {mailbox(from_email)}\r\nTo: "
        self._domain = message_id_domain or mailbox(from_email).rpartition("@")[2]
        self._tail = f"@{self._domain}>\r\n{_AUTOMATIC}"

    def build(self, message: Message, *, to: tuple[Recipient, ...], downgraded: bool = False) -> bytes:
        """The whole mail with CRLF line ends, dots not stuffed; raises ValueError for an address that is none.

        7-bit unless a header shows an address with a local part outside ASCII (RFC 6532). `downgraded` shows such
        recipients in words instead, as RFC 6857 3.1.8 does.
        """
        if message.bare:
            head = f"{self._bare}{mailbox(to[0].address)}"
        else:
            head = self._from if message.sender is None else self._own_sender(message.sender)
            shown = _shown_to(message, to=to, show=in_words if downgraded else mailbox)
            head = f"{head}{shown}\r\nSubject: {_subject(message.subject)}"
        mail = f"{head}\r\nDate: {_date(message.date)}\r\nMessage-ID: <{message.key}{self._tail}{_content(message)}"
        return mail.encode()

    def _own_sender(self, sender: Recipient) -> str:
        """A template's Sender replaces From; with an address of its own it is also where answers go."""
        address = sender.address or self._email
        origin = mailbox(address, name=sender.name or ("" if sender.address else self._name))
        if address == self._email:
            return f"From: {origin}\r\nTo: "
        return f"From: {origin}\r\nReply-To: {origin}\r\nTo: "


def _shown_to(message: Message, *, to: tuple[Recipient, ...], show: Callable[..., str]) -> str:
    if message.visible_to:
        return ",\r\n ".join([show(shown.address, name=shown.name) for shown in message.visible_to])
    if len(to) == 1:
        return show(to[0].address, name=to[0].name)
    return _NOBODY


def _subject(subject: str) -> str:
    text = clean(subject)
    if text.isascii() and len(text) <= _MAX_HEADER_LINE - len("Subject: ") and "=?" not in text:
        return text
    return encoded_words(text)


@lru_cache(maxsize=256)
def _date(date: datetime) -> str:
    return format_datetime(date.astimezone(UTC))


def _content(message: Message) -> str:
    text = _lines(message.text)
    if not message.html:
        return _part(text, subtype="plain")
    parts = (_part(text, subtype="plain"), _part(_lines(message.html), subtype="html"))
    boundary = f"=_{message.key.hex}"
    while any(boundary in part for part in parts):
        boundary += "_"
    bodies = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n{bodies}--{boundary}--\r\n'


def _lines(text: str) -> str:
    if "\r" in text:
        text = _LINE_ENDS.sub("\n", text)
    return text if text.endswith("\n") else f"{text}\n"


def _part(text: str, *, subtype: str) -> str:
    if _PLAIN_TEXT.fullmatch(text) and (len(text) <= _MAX_LINE or max(map(len, text.split("\n"))) <= _MAX_LINE):
        head = _PLAIN_HEAD if subtype == "plain" else _AS_IT_IS.format(subtype)
        return head + text.replace("\n", "\r\n")
    octets = text.replace("\n", "\r\n").encode("utf-8", "replace")
    encoding, encoded = _encoded(octets)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head + encoded


def _encoded(octets: bytes) -> tuple[str, str]:
    """Quoted-printable or base64, whichever is shorter."""
    quoted = binascii.b2a_qp(octets).decode("ascii")
    if len(quoted) <= len(octets) * 4 // 3:
        return "quoted-printable", quoted
    lines = [binascii.b2a_base64(octets[start : start + 57], newline=False) for start in range(0, len(octets), 57)]
    return "base64", b"\r\n".join(lines).decode("ascii") + "\r\n"
