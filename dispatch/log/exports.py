"""The delivery log as CSV for spreadsheets: words for states, numbers as text, separated as the reader's have it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from django.utils.formats import get_format
from django.utils.translation.trans_real import parse_accept_lang_header

from dispatch.log import names
from dispatch.models import Delivery
from dispatch.templatetags.dispatch import channel_label
from foundation import formulas

SEPARATORS = {"comma": ",", "semicolon": ";"}
_MARK = "\ufeff"  # by which spreadsheets know UTF-8
_COLUMNS = (
    *("id", "accepted", "state", "why", "next_try", "channel", "recipient", "name", "template", "server", "via"),
    *("tries", "sent", "code", "detail"),
)


def usual_separator(languages: str) -> str:
    """The key of SEPARATORS that spreadsheets expect in the first language of an Accept-Language header.

    Where the comma stands in numbers they expect semicolons between columns.
    """
    known = parse_accept_lang_header(languages)
    comma_in_numbers = bool(known) and get_format("DECIMAL_SEPARATOR", known[0][0], use_l10n=True) == ","
    return "semicolon" if comma_in_numbers else "comma"


def lines(pages: Iterable[Iterable[Delivery]], *, separator: str) -> Iterator[str]:
    line = csv.writer(_Echo(), delimiter=separator)
    yield _MARK + line.writerow(_COLUMNS)
    for rows in pages:
        found = list(rows)
        named = names.of(found)
        for row in found:
            yield line.writerow(_cells(row, named[row.pk]))


def _cells(row: Delivery, named: names.Named) -> Iterator[str | int]:
    """All as text but the number of tries."""
    next_at, sent_at = named.why.next_at, row.sent_at
    texts = (
        *(str(row.pk), row.created_at.isoformat(), row.get_state_display(), named.why.words),
        *(next_at.isoformat() if next_at else "", channel_label(row.channel), row.address, row.address_name),
        *(named.template, named.shown_server, named.shown_via),
    )
    yield from map(formulas.as_text, texts)
    yield row.attempt_count
    yield from map(formulas.as_text, (sent_at.isoformat() if sent_at else "", row.reason_code, row.reason_detail))


class _Echo:
    """A file whose write returns the line."""

    def write(self, line: str) -> str:
        return line
