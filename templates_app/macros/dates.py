"""Dates and numbers, as the recipient's time zone and language write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import get_day_names, get_month_names, get_period_names
from babel.numbers import format_decimal

from templates_app.macros.problems import Words
from transports.marks import gettext_noop as _


class PatternError(ValueError):
    """The pattern of a date is none; `words` say why."""

    def __init__(self, words: Words) -> None:
        super().__init__(words.said(_))
        self.words = words


class UnfitError(ValueError):
    """A value is not of the kind that a function needs; the text says which kind."""


_Field = Callable[[datetime, Locale], str]

# Letters as in CLDR's date field symbols, https://unicode.org/reports/tr35/tr35-dates.html
FIELDS: dict[str, _Field] = {
    "yyyy": lambda at, _: f"{at.year:04d}",
    "yy": lambda at, _: f"{at.year % 100:02d}",
    "MMMM": lambda at, locale: get_month_names("wide", locale=locale)[at.month],
    "MMM": lambda at, locale: get_month_names("abbreviated", locale=locale)[at.month],
    "MM": lambda at, _: f"{at.month:02d}",
    "M": lambda at, _: str(at.month),
    "dd": lambda at, _: f"{at.day:02d}",
    "d": lambda at, _: str(at.day),
    "EEEE": lambda at, locale: get_day_names("wide", locale=locale)[at.weekday()],
    "EEE": lambda at, locale: get_day_names("abbreviated", locale=locale)[at.weekday()],
    "HH": lambda at, _: f"{at.hour:02d}",
    "H": lambda at, _: str(at.hour),
    "hh": lambda at, _: f"{(at.hour - 1) % 12 + 1:02d}",
    "h": lambda at, _: str((at.hour - 1) % 12 + 1),
    "a": lambda at, locale: get_period_names("abbreviated", locale=locale)["am" if at.hour < 12 else "pm"],
    "mm": lambda at, _: f"{at.minute:02d}",
    "ss": lambda at, _: f"{at.second:02d}",
    "XXX": lambda at, _: _offset(at),
}
_PATTERN = re.compile(r"(?P<letters>([A-Za-z])\2*)|'(?P<quoted>(?:[^']|'')*)'|(?P<plain>[^A-Za-z']+)|(?P<stray>')")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")


@lru_cache(maxsize=256)
def date_pattern(pattern: str) -> tuple[str | _Field, ...]:
    """The pattern as plain texts and fields. Raises PatternError for letters that mean nothing, or an open quote."""
    parts: list[str | _Field] = []
    for match in _PATTERN.finditer(pattern):
        if match["letters"]:
            if match["letters"] not in FIELDS:
                words = _("“%(letters)s” is no part of a date; known are %(known)s")
                raise PatternError(Words(words, {"letters": match["letters"], "known": " ".join(FIELDS)}))
            parts.append(FIELDS[match["letters"]])
        elif match["stray"]:
            raise PatternError(Words(_("a quote in the date pattern is not closed")))
        else:
            parts.append(match["plain"] or match["quoted"].replace("''", "'") or "'")
    return tuple(parts)


def format_date(value: object, *, pattern: str, zone: str, language: str) -> str:
    """An ISO 8601 text, date or datetime by the pattern, in this IANA zone and language; else UnfitError.

    A time without an offset is taken as UTC; a date without a time is not moved. Unknown zones are UTC, unknown
    languages English.
    """
    at, locale = _in_zone(value, zone=time_zone(zone)), locale_of(language)
    return "".join(part if isinstance(part, str) else part(at, locale) for part in date_pattern(pattern))


def _in_zone(value: object, *, zone: tzinfo) -> datetime:
    moment = _moment(value.strip()) if isinstance(value, str) else value
    if isinstance(moment, datetime):
        try:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone)
        except OverflowError:
            raise UnfitError("not a date") from None
    if isinstance(moment, date):
        return datetime.combine(moment, time(), tzinfo=zone)
    raise UnfitError("not a date")


def _moment(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        raise UnfitError("not a date") from None


def _offset(at: datetime) -> str:
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    if minutes == 0:
        return "Z"
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def format_number(value: object, *, decimals: int, language: str) -> str:
    """A number, or a text that is one, rounded half up, with the language's separators; else UnfitError."""
    step = Decimal(1).scaleb(-decimals)
    number = _decimal(value).quantize(step, rounding=ROUND_HALF_UP)
    pattern = "#,##0." + "0" * decimals if decimals else "#,##0"
    return format_decimal(number, format=pattern, locale=locale_of(language))


def _decimal(value: object) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**15:
        return Decimal(str(value))
    raise UnfitError("not a number")


@lru_cache(maxsize=1024)
def time_zone(name: str) -> tzinfo:
    """The IANA time zone of this name; UTC for anything else."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=1024)
def locale_of(language: str) -> Locale:
    """The locale of a tag such as `de` or `pt-BR`, else of its language alone, else English."""
    if _LANGUAGE.fullmatch(language):
        for tag in (language.replace("-", "_"), re.split("[-_]", language)[0]):
            try:
                return Locale.parse(tag)
            except (UnknownLocaleError, ValueError):
                continue
    return Locale("en")
