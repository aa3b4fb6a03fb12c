"""Phone numbers: their check and their E.164 form."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from transports.addresses import invisible

LONGEST_SHORT_CODE = 6
_LONGEST = 100
_SHORTEST_PART = 3
_SPELLING = re.compile(r"[\s()+\uff0b./-]")
_SCHEME = "tel:"  # RFC 3966
_PLUS = ("+", "\N{FULLWIDTH PLUS SIGN}")
_SEPARATORS = {"Zs": " ", "Pd": "-"}
_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


def normalise(number: str, *, country: str) -> str:
    """`number` as E.164 with "+"; one without a country code is read as of `country` (ISO 3166, may be empty).

    White space and dashes of any kind may stand between its digits, "tel:" before it (RFC 3966). A number without "+"
    that is a mobile only when a "+" is added gets it, if it is one of `country` or else no number of `country`.
    Raises ValueError when it is no possible number or has an extension, and when it may be a mobile of another country
    as well as a line of `country`; a short code is none, nor is a number without its area code.
    """
    return _normalised(number, country.upper())


def is_valid(number: str) -> bool:
    """Whether the numbering plans know this E.164 number; a possible one that they do not know may yet exist."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def country_of(number: str) -> str:
    """The country (ISO 3166) of an E.164 number; the main one of its country code where the plans do not know it."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )


def national(number: str) -> str:
    """The national significant number of an E.164 number: Italy's keeps its leading zero, as it must."""
    return phonenumbers.national_significant_number(phonenumbers.parse(number))


def part(text: str) -> str:
    """The digits to look for in E.164 numbers where somebody writes one, or a part of it, in whatever spelling.

    Without zeros before it, for its country or for another one, and without the "(0)" that some write after the country
    code. Empty for what is no number, and for fewer than three digits, which are in nearly all.
    """
    try:
        written = _written(text)
    except ValueError:
        return ""
    digits = _SPELLING.sub("", written.replace("(0)", ""))
    found = digits.lstrip("0")
    return found if found.isascii() and found.isdigit() and len(found) >= _SHORTEST_PART else ""


@lru_cache(maxsize=8192)
def _normalised(number: str, country: str) -> str:
    written = _written(number)
    found = _as_written(written, country)
    if country and not written.startswith(_PLUS):
        found = _with_plus_where_meant(written, national=found)
    if found is None:
        raise ValueError("no phone number of its country is as short or as long")
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def _written(number: str) -> str:
    """Without what stands around it, its separators those that are known."""
    number = invisible.trimmed(number)
    invisible.refuse(number, allowed=invisible.SPACES)
    has_scheme = number[: len(_SCHEME)].lower() == _SCHEME
    number = "".join(_SEPARATORS.get(unicodedata.category(character), character) for character in number)
    if has_scheme:
        number = _without_scheme(number[len(_SCHEME) :])
    if not number or any(character.isalpha() for character in number) or len(number) > _LONGEST:
        raise ValueError("it is not a phone number")
    return number


def _without_scheme(number: str) -> str:
    """The number of a "tel:" address; of its parameters, the context is the beginning of a local number."""
    digits, *parameters = number.split(";")
    named = {name.lower(): value for name, _, value in (parameter.partition("=") for parameter in parameters)}
    if "ext" in named:
        raise ValueError("it has an extension, which no SMS reaches")
    context = named.get("phone-context", "")
    return f"{context} {digits}" if context.startswith("+") and not digits.startswith("+") else digits


def _as_written(number: str, country: str) -> PhoneNumber | None:
    """None when it is too short or too long for its country."""
    try:
        parsed = phonenumbers.parse(number, country or None)
    except phonenumbers.NumberParseException:
        raise ValueError("it is not a phone number, or its country code is missing") from None
    if parsed.extension:
        raise ValueError("it has an extension, which no SMS reaches")
    possible = phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    short = len(phonenumbers.national_significant_number(parsed)) <= LONGEST_SHORT_CODE
    return parsed if possible and (not short or phonenumbers.is_valid_number(parsed)) else None


def _with_plus_where_meant(number: str, *, national: PhoneNumber | None) -> PhoneNumber | None:
    """Which of its two readings is meant; the national one wherever that may be a mobile."""
    if national and phonenumbers.number_type(national) in _MOBILE:
        return national
    try:
        international = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return national
    if phonenumbers.number_type(international) not in _MOBILE:
        return national
    if national and phonenumbers.is_valid_number(national) and international.country_code != national.country_code:
        raise ValueError("it may be of two countries: write it with + and its country code")
    return international
