"""Mail addresses: their check, their form in the envelope and their form in a header."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

import idna

from transports.addresses import invisible

# RFC 5321 4.1.2 without quoted local parts; RFC 6531 adds everything outside ASCII.
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_PLAIN = re.compile(rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_LOCAL = re.compile(r"[^\x00-\x20\x7f-\x9f<>()\[\],;:\\\"@\u2028\u2029\ud800-\udfff]+")
_LITERAL = re.compile(r"\[(?:IPv6:)?[0-9A-Fa-f:.]{2,45}\]")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST_LABEL = _LABEL.replace("_", "")
FULL_NAME = re.compile(rf"(?:{_HOST_LABEL}\.)+(?![0-9]+\Z){_HOST_LABEL}")  # of a machine: RFC 1123 2.1
_WORD = r'(?:"(?:[^"\\]|\\.)*"[.,:;!?)/-]*|[^"\s]\S*)'
_QUOTED_WORDS = re.compile(rf"{_WORD}(?:\s+{_WORD})+")
_QUOTED_PAIR = re.compile(r'\\(["\\])')
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 254  # RFC 5321 4.5.3.1.3, without the angle brackets
_MAX_NAME = 200  # shown on one line up to this; a header line may have 998 characters
_WORD_OCTETS = 39  # 52 characters of base64 and 12 around them: "Reply-To: " and one word fit in the 76 of RFC 2047


@lru_cache(maxsize=4096)
def normalise(address: str) -> str:
    """`address` as it is sent and compared; raises ValueError when it is none.

    What can't be seen around it is cut off. Its domain is in ASCII (IDNA 2008, UTS 46) and in lower case, as case does
    not count there (RFC 5321 2.4); the local part stays as it is.
    """
    address = invisible.trimmed(address)
    local, _, domain = address.rpartition("@")
    if len(address) <= _LONGEST and _PLAIN.fullmatch(address):
        return f"{local}@{domain.lower()}"
    invisible.refuse(address, allowed=" ")
    if len(address) > _LONGEST:
        raise ValueError("the address is too long")
    if not _LOCAL.fullmatch(local) or len(local.encode()) > 64:
        raise ValueError("the part before @ is not valid")
    if _LITERAL.fullmatch(domain):
        return f"{local}@{domain.lower().replace('ipv6:', 'IPv6:')}"
    if not domain.isascii():
        domain = _ascii_domain(domain)
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("the part after @ is not a domain")
    return f"{local}@{domain.lower()}"


def parse_sender(text: str) -> tuple[str, str]:
    """Name and address, neither of them checked, of a name, an address, or `Name <address>`; "" for what is not there.

    A name in quotes loses them and its quoted pairs (RFC 5322 3.2.4); quotes within a name, and backslashes that quote
    nothing, are part of it.
    """
    written = invisible.trimmed(text)
    name, bracket, rest = written.rpartition("<")
    if bracket and rest.endswith(">"):
        return _unquoted(name), invisible.trimmed(rest[:-1])
    if "@" in written and not any(character.isspace() for character in written):
        return "", written
    return _unquoted(written), ""


def mailbox(address: str, *, name: str = "") -> str:
    """`address` and display `name` for a header (RFC 5322 3.4, RFC 2047); raises ValueError for a bad address."""
    if not name:
        return normalise(address)
    return f"{_phrase(clean(name))} <{normalise(address)}>"


def in_words(address: str, *, name: str = "") -> str:
    """As `mailbox`, but an address that ASCII cannot write becomes an empty group that names it (RFC 6857 3.1.8)."""
    shown = mailbox(address, name=name)
    if shown.isascii():
        return shown
    return f"Internationalized Address {encoded_words(normalise(address))} Removed:;"


def encoded_words(text: str) -> str:
    """`text` as base64 encoded words on folded lines of at most 76 characters (RFC 2047 2 and 5)."""
    words: list[str] = []
    octets = b""
    for character in text:
        added = character.encode("utf-8", "replace")
        if len(octets) + len(added) > _WORD_OCTETS:
            words.append(_encoded_word(octets))
            octets = b""
        octets += added
    words.append(_encoded_word(octets))
    return "\r\n ".join(words)


def clean(text: str) -> str:
    """One line for a header: every line end, NUL and other control character becomes a space."""
    return text if text.isascii() and text.isprintable() else _CONTROLS.sub(" ", text).strip()


def _unquoted(name: str) -> str:
    name = invisible.trimmed(name)
    if len(name) > 1 and name[0] == name[-1] == '"' and not _QUOTED_WORDS.fullmatch(name):
        return invisible.trimmed(_QUOTED_PAIR.sub(r"\1", name[1:-1]))
    return name


def _phrase(name: str) -> str:
    if not name.isascii() or "=?" in name or len(name) > _MAX_NAME:
        return encoded_words(name)
    if _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encoded_word(octets: bytes) -> str:
    return f"=?utf-8?b?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="


@lru_cache(maxsize=1024)
def _ascii_domain(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(str(error)) from error
