"""Cells of a CSV that no spreadsheet reads as a formula (docs/decisions/csv-and-formulas.md)."""

from __future__ import annotations

import re

_BEGINNING = (
    "(^|;)('*)(?=[=+@\\t\\r\\n\\uff1d\\uff0b\\uff0d\\uff20-])"  # with the wide signs, which spreadsheets read, too
)
_FORMULA = re.compile(_BEGINNING)
_GUARDED = re.compile(_BEGINNING.replace("('*)", "('+)"))
_MADE_A_NUMBER = re.compile(r"\+?[0-9]+([.,eE][+-]?[0-9]+)*")
_NUMBER = re.compile(r"\+[0-9]+")


def guarded(cell: str) -> str:
    """With an apostrophe where a spreadsheet would begin a formula, whether its columns end at "," or ";".

    Phone numbers stay.
    """
    return cell if _NUMBER.fullmatch(cell) else _FORMULA.sub(r"\1'\2", cell)


def as_text(cell: str) -> str:
    """The same, and with an apostrophe where a spreadsheet would make a number of it: "+49..." would lose its sign."""
    return f"'{cell}" if _MADE_A_NUMBER.fullmatch(cell) else guarded(cell)


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`."""
    return _GUARDED.sub(lambda found: f"{found[1]}{found[2][1:]}", cell)
