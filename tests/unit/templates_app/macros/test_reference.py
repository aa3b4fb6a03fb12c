"""The reference page names everything that macros can do, and its examples are right."""

import re
from pathlib import Path

import pytest

from templates_app.macros.dates import FIELDS
from templates_app.macros.functions import OPERANDS, PIPES
from templates_app.macros.grammar import parse
from templates_app.macros.names import NAMES

PAGE = (Path(__file__).parents[4] / "docs" / "macros.md").read_text()


@pytest.mark.parametrize(
    "row",
    [
        *(f"| `{name.path}` | {name.meaning} |" for name in NAMES),
        *(f"| `{function.usage}` | {function.meaning} |" for function in PIPES.values()),
        *(f"`{field}`" for field in FIELDS),
        *(f"${{{name}(" for name in OPERANDS),
    ],
)
def test_the_page_tells(row):
    assert row in PAGE


@pytest.mark.parametrize("macro", re.findall(r"`(\$\{[^`]+\})`", PAGE))
def test_an_example_is_a_macro(macro):
    assert list(parse(macro.replace(r"\|", "|")).macros())


def test_the_page_has_examples():
    assert len(re.findall(r"`(\$\{[^`]+\})`", PAGE)) >= 8
