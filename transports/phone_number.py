"""Phone numbers: their check and their E.164 form."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers


def normalise(number: str, *, country: str) -> str:
    """`number` as E.164 with "+"; one without a country code is read as of `country` (ISO 3166, may be empty).

    Raises ValueError when it is no possible number.
    """
    return _normalised(number.strip(), country.upper())


@lru_cache(maxsize=8192)
def _normalised(number: str, country: str) -> str:
    if not number or any(character.isalpha() for character in number) or len(number) > 40:
        raise ValueError("it is not a phone number")
    try:
        parsed = phonenumbers.parse(number, country or None)
    except phonenumbers.NumberParseException:
        raise ValueError("it is not a phone number, or its country code is missing") from None
    if not phonenumbers.is_possible_number(parsed):
        raise ValueError("no phone number of its country is as short or as long")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
