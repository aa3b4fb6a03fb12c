"""Phone numbers: their check and their E.164 form."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers

LONGEST_SHORT_CODE = 6


def normalise(number: str, *, country: str) -> str:
    """`number` as E.164 with "+"; one without a country code is read as of `country` (ISO 3166, may be empty).

    Raises ValueError when it is no possible number; a short code is none, nor is a number without its area code.
    """
    return _normalised(number.strip(), country.upper())


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


@lru_cache(maxsize=8192)
def _normalised(number: str, country: str) -> str:
    if not number or any(character.isalpha() for character in number) or len(number) > 40:
        raise ValueError("it is not a phone number")
    try:
        parsed = phonenumbers.parse(number, country or None)
    except phonenumbers.NumberParseException:
        raise ValueError("it is not a phone number, or its country code is missing") from None
    possible = phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    short = len(phonenumbers.national_significant_number(parsed)) <= LONGEST_SHORT_CODE
    if not possible or (short and not phonenumbers.is_valid_number(parsed)):
        raise ValueError("no phone number of its country is as short or as long")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
