"""Hand-written SQL stands in few places: in foundation.sql, in the outbox of the flow, in one statements.py an app."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "api",
    "enrollment",
    "dispatch",
    "actions",
    "templates_app",
    "servers",
    "devices",
    "console",
    "foundation",
    "xmnotify",
)
ROOMS = (
    "foundation/sql/",
    "dispatch/outbox/",
    "api/access/statements.py",
    "devices/statements.py",
    "servers/statements.py",
    "templates_app/statements.py",
)
DEMO = "xmnotify/quickstart/scale.py"
"""A million rows of demo data are made by the database itself, in tables of every app."""
SOURCES = sorted(
    path
    for app in APPS
    for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts and not str(path.relative_to(ROOT)).startswith((*ROOMS, DEMO))
)
CALLS = re.compile(r"(\bcursor|\.execute|\.executemany|\.raw|\.extra|\bRawSQL|\bRunSQL|\bStatement)$")
SQL = re.compile(
    r"(?s)^\s*(SELECT\s.*\bFROM\b|WITH\s.*\bSELECT\b|INSERT\s+INTO\b|UPDATE\s.*\bSET\b|DELETE\s+FROM\b|COPY\s)"
)


def hand_written(source):
    """The lines with SQL of our own, or a call that runs some."""
    tree = ast.parse(source)
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and CALLS.search(ast.unparse(node.func)):
            yield f"line {node.lineno}: {ast.unparse(node.func)}"
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        if SQL.match(text):
            yield f"line {node.lineno}: {text.split()[0]}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_is_written_elsewhere(path):
    assert not list(hand_written(path.read_text()))


@pytest.mark.parametrize(
    "source",
    [
        "connection.cursor()",
        "cursor.execute(text)",
        "Thing.objects.raw(text)",
        "RawSQL('a', [])",
        "Statement('a')",
        "ROWS = 'SELECT id FROM thing'",
        "statements.run(f'''UPDATE thing SET {name} = 1''')",
        "rows = read('''\n    WITH found AS (SELECT 1) SELECT 1''')",
        "'INSERT INTO thing VALUES (1)'.format()",
    ],
)
def test_what_is_looked_for_is_found(source):
    assert list(hand_written(source))
