"""What a spreadsheet makes of cells."""

import pytest

from foundation import formulas


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("+4917012345", "'+4917012345"),
        ("0049", "'0049"),
        ("12E5", "'12E5"),
        ("3.14", "'3.14"),
        ("2,5", "'2,5"),
        ("=1+1", "'=1+1"),
        ("550 5.1.1 no", "550 5.1.1 no"),
        ("01a217e5-27e0-7478-9a16-7576c9ae6eb7", "01a217e5-27e0-7478-9a16-7576c9ae6eb7"),
        ("a@example.com", "a@example.com"),
        ("", ""),
    ],
)
def test_what_would_become_a_number_or_a_formula_stays_text(cell, written):
    assert formulas.as_text(cell) == written
