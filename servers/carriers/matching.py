"""Carriers' mail-to-SMS gateways: whether two names mean one carrier, which gateway fits a phone, its address; pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

import phonenumbers

from servers.values import CarrierRoute, NumberFormat
from transports.addresses import phone_number

Routes = Mapping[tuple[str, str], CarrierRoute]
"""The gateways by carrier (see `key`) and country (ISO 3166)."""
_WITHIN_WORDS = str.maketrans("", "", "&'\N{RIGHT SINGLE QUOTATION MARK}`™®©℠")
_NOISE = frozenset(
    ("wireless", "mobile", "mobility", "cellular", "communications", "inc", "ltd", "llc", "gmbh", "ag", "plc")
)
_COUNTRIES = frozenset({"usa", "uk", *(region.lower() for region in phonenumbers.SUPPORTED_REGIONS)})
_ALIASES = {"three": "3", "hutchison3g": "3", "cingular": "att", "metropcs": "metro"}
_NO_NAMES = frozenset({"", "carrier", "none", "null", "na", "unknown", "nosim", "nosimcard", "noservice"})


def key(name: str) -> str:
    """A carrier's name as it is compared; empty when it names none, as "--" or "Carrier" do.

    Case, form (NFKC) and punctuation do not count, nor do words such as "wireless" and a country at the end.
    """
    found = _folded("".join(_significant(list(_joined(_words(name))))))
    return "" if found in _NO_NAMES else _ALIASES.get(found, found)


def find(routes: Routes, *, carrier: str, number: str) -> CarrierRoute | None:
    """The gateway for an E.164 number whose home carrier has this name."""
    name = key(carrier)
    return routes.get((name, phone_number.country_of(number))) if name else None


def address(route: CarrierRoute, *, number: str) -> str:
    """Where a mail becomes an SMS to this E.164 number."""
    match route.number_format:
        case NumberFormat.NATIONAL:
            digits = phone_number.national(number)
        case NumberFormat.COUNTRY_CODE:
            digits = number.removeprefix("+")
        case NumberFormat.PLUS:
            digits = number
    return f"{route.prefix}{digits}@{route.domain}"


def _words(name: str) -> list[str]:
    """Its runs of letters and digits."""
    plain = _folded(name.translate(_WITHIN_WORDS)).translate(_WITHIN_WORDS)
    return "".join(sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in plain).split()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _joined(words: list[str]) -> Iterator[str]:
    """Single letters belong together, as in "U.S.", or to what follows, as in "T-Mobile"."""
    letters = ""
    for word in words:
        if len(word) == 1 and word.isalpha():
            letters += word
        elif len(letters) == 1:
            yield letters + word
            letters = ""
        else:
            yield from (part for part in (letters, word) if part)
            letters = ""
    if letters:
        yield letters


def _significant(words: list[str]) -> list[str]:
    found = [word for word in words if word not in _NOISE] or words
    while len(found) > 1 and found[-1] in _COUNTRIES:
        found.pop()
    return found
