"""Rows that a statement takes along come out of the database as they went in."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from foundation.sql import dialect, statements

pytestmark = pytest.mark.django_db

COLUMNS = {"id": "uuid", "at": "time", "number": "int", "text": "text", "yes": "bool", "words": "json"}
AT = datetime(2026, 5, 4, 3, 2, 1, 5, tzinfo=UTC)
FIRST = (UUID(int=1), AT, 7, 'it\'s "so" %s', True, ["a", {"b": None}])


@pytest.mark.parametrize(
    "rows",
    [
        [FIRST],
        [FIRST, (UUID(int=2), *FIRST[1:])],
        [FIRST, (UUID(int=2), None, None, "", False, [])],
        [(UUID(int=1), None, None, "", False, []), (UUID(int=2), None, None, "", False, [])],
    ],
    ids=["one", "alike but for the id", "all different", "all empty"],
)
@pytest.mark.parametrize("binary", [False, True], ids=["as texts", "in binary"])
def test_a_table_of_rows_has_every_value_whether_it_is_the_same_in_all_or_not(rows, binary):
    table, values = dialect.table(COLUMNS, rows)
    picked = ", ".join("CAST(words AS text)" if name == "words" else name for name in COLUMNS)
    found = [
        (
            dialect.read_uid(row[0]),
            row[1] and dialect.read_time(row[1]),
            *row[2:4],
            bool(row[4]),
            dialect.read_json(row[5]),
        )
        for row in statements.run(f"SELECT {picked} FROM {table} ORDER BY id", values, binary=binary)
    ]
    assert found == rows


def test_only_what_differs_is_supplied_row_by_row():
    _, values = dialect.table(COLUMNS, [FIRST, (UUID(int=2), *FIRST[1:])])
    assert len(values) == len(COLUMNS)
    assert FIRST[3] in values


def test_values_that_python_takes_for_equal_stay_what_they_are_in_json():
    table, values = dialect.table(COLUMNS, [(*FIRST[:-1], [1]), (UUID(int=2), *FIRST[1:-1], [True])])
    found = statements.run(f"SELECT CAST(words AS text) FROM {table} ORDER BY id", values)
    assert [row[0] for row in found] == ["[1]", "[true]"]
