"""Pages that say which test holds what name tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def named_on(page):
    return sorted(set(re.findall(r"`(tests/[\w/.]+)::(\w+)`", (ROOT / "docs" / page).read_text())))


@pytest.mark.parametrize(
    ("path", "name"), [*named_on("security.md"), *named_on("cases.md")], ids=lambda part: part.rpartition("/")[2]
)
def test_a_test_that_a_page_names_is_there(path, name):
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", ["security.md", "cases.md"])
def test_a_page_names_tests_in_no_other_way(page):
    text = (ROOT / "docs" / page).read_text()
    assert len(re.findall(r"tests/[\w/.]+::", text)) == len(re.findall(r"`tests/[\w/.]+::\w+`", text)) > 0
