"""Every country with its phone prefix, as lists of them show it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import phonenumbers
from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language
from msgspec import Struct

FIRST = "AF"
"""Afghanistan, which the manual names as the default."""


class Country(Struct, frozen=True):
    """`code` is ISO 3166, `prefix` begins with "+"."""

    code: str
    name: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.name} {self.prefix}"


def known() -> tuple[Country, ...]:
    """All of them in alphabetical order, accents folded, named in the language of the page."""
    return _in_language(get_language() or "en")


def choices() -> list[tuple[str, str]]:
    """For a select."""
    return [(country.code, str(country)) for country in known()]


def named(code: str) -> str:
    """Name and prefix of a country, such as "Germany +49"; the code itself where it is none."""
    return next((str(country) for country in known() if country.code == code), code)


def is_country(code: str) -> bool:
    return code in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=8)
def _in_language(language: str) -> tuple[Country, ...]:
    try:
        names = Locale.parse(language, sep="-").territories
    except (UnknownLocaleError, ValueError):
        names = Locale("en").territories
    found = [
        Country(code, names.get(code, code), f"+{phonenumbers.country_code_for_region(code)}")
        for code in phonenumbers.SUPPORTED_REGIONS
    ]
    return tuple(sorted(found, key=lambda country: (_folded(country.name), country.code)))


def _folded(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name.casefold()) if letter.isalnum())
