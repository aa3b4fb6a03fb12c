"""Refusals alike: when one message after the other is refused with the same words, it is not the messages; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from transports.smtp.replies import names_recipient
from transports.types import Reason, Recipient, Scope

ENOUGH = 3
"""So many addresses refused alike are trouble of the server, of a broadcast or of a text."""
WITHIN = timedelta(hours=1)
MOST_KINDS = 8
"""Of so many kinds of refusals it is remembered who got them."""
_MOST_WORDS = 40
_OF_ADDRESS = re.compile(r"[245]\.[12]\.\d{1,3}")
_SPLIT = re.compile(r"[^\w@.:/+-]+")
_ID = re.compile(r"[a-z]+[A-Z]\w*|[A-Z]+[a-z]+[A-Z]\w*|[A-Z]{10,}")


class Refused(TypedDict):
    """One refusal as a server's row keeps it: to whom (a digest), when, and in which broadcast and text."""

    to: str
    at: str
    broadcast: str | None
    version: int | None


class Kind(TypedDict):
    """Refusals alike. `full`: they were enough at some time; `at` is when the last one came."""

    by: list[Refused]
    at: str
    full: bool


Refusals = dict[str, Kind]


class Blame(StrEnum):
    """What refusals alike say something about."""

    SERVER = "server"
    BROADCAST = "broadcast"
    VERSION = "version"


def is_counted(reason: Reason) -> bool:
    """Whether a refusal may be meant for every message: the peer's own words, not about an address or mailbox."""
    return (
        reason.scope is Scope.MESSAGE
        and bool(reason.reply)
        and not _OF_ADDRESS.fullmatch(reason.enhanced)
        and not names_recipient(reason.detail)
    )


def words_of(reason: Reason, *, to: Recipient) -> str:
    """What refusals alike have in common: codes and words without addresses, names, numbers and ids."""
    known = {word.lower() for word in re.split(r"[\W_]+", f"{to.name} {to.address.partition('@')[0]}")}
    kept = [word for word in _parts(reason.detail) if word not in known]
    return " ".join([reason.reply, reason.enhanced, *kept[:_MOST_WORDS]])


def counted(refusals: Refusals | None, words: str, refused: Refused, *, now: datetime, lasting: bool) -> Refusals:
    """With one more; an address counts once, and what is older than an hour only if the trouble is `lasting`."""
    found = dict(refusals or {})
    kind = found.pop(words, None)
    if kind and kind["full"] and (lasting or _is_recent(kind["at"], now=now)):
        by = kind["by"]
    else:
        by = [each for each in kind["by"] if _is_recent(each["at"], now=now)] if kind else []
        by += [refused] if all(each["to"] != refused["to"] for each in by) else []
    newest = sorted(found, key=lambda each: found[each]["at"], reverse=True)[: MOST_KINDS - 1]
    return {words: Kind(by=by, at=refused["at"], full=len(by) >= ENOUGH), **{each: found[each] for each in newest}}


def since(refusals: Refusals | None, accepted_at: datetime | None) -> Refusals:
    """Those that no accepted message followed."""
    if accepted_at is None:
        return dict(refusals or {})
    return {
        words: kind for words, kind in (refusals or {}).items() if datetime.fromisoformat(kind["at"]) >= accepted_at
    }


def blame(by: Sequence[Refused]) -> Blame:
    """Whose trouble it is: all of one broadcast, else all of one text, else the server's."""
    for name, found in (("broadcast", Blame.BROADCAST), ("version", Blame.VERSION)):
        values = {each[name] for each in by}  # type: ignore[literal-required]
        if len(values) == 1 and None not in values:
            return found
    return Blame.SERVER


def digest(address: str) -> str:
    """Tells addresses apart without keeping them."""
    return hashlib.blake2b(address.encode(), digest_size=8).hexdigest()


def _parts(text: str) -> Iterator[str]:
    for word in _SPLIT.split(text):
        bare = word.strip(".:-+/")
        if bare and "@" not in bare and not _is_name_or_id(bare):
            yield bare.lower()


def _is_name_or_id(word: str) -> bool:
    """Numbers, ids, hosts, paths: what differs from one reply to the next."""
    return any(character.isdigit() for character in word) or bool(
        re.search(r"\w[.:/]\w|://", word) or _ID.fullmatch(word)
    )


def _is_recent(at: str, *, now: datetime) -> bool:
    return now - datetime.fromisoformat(at) < WITHIN
