"""Comparisons that hold for the same rows on PostgreSQL and on SQLite, where those of Django do not.

Parts of texts are looked for in any case: each letter becomes the class of its variants (see foundation.casing), in a
pattern that is itself exact to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, IntegerField, Lookup
from django.db.models.fields.json import KeyTextTransform, compile_json_path  # type: ignore[attr-defined]
from django.db.models.sql.compiler import SQLCompiler

from foundation import casing

Compiled = tuple[str, tuple[str | int, ...]]


class Contains(Lookup[str]):
    """Whether a text has this part, in any case."""

    prepare_rhs = False
    at_start = at_end = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Compiled:
        first, last = "^" if self.at_start else "", "$" if self.at_end else ""
        return self._like(
            compiler, connection, operator="~", pattern=f"{first}{_pattern(self.rhs, escaped=re.escape)}{last}"
        )

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Compiled:
        first, last = "" if self.at_start else "*", "" if self.at_end else "*"
        return self._like(
            compiler, connection, operator="GLOB", pattern=f"{first}{_pattern(self.rhs, escaped=_plain)}{last}"
        )

    def _like(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *, operator: str, pattern: str) -> Compiled:
        text, params = self.process_lhs(compiler, connection)
        return f"{text} {operator} %s", (*params, pattern)


class StartsWith(Contains):
    at_start = True


class EndsWith(Contains):
    at_end = True


class Like(Lookup[str]):
    """Whether a text has this part to the letter: as Django's `contains`, of which expressions have none."""

    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Compiled:
        text, params = self.process_lhs(compiler, connection)
        return f"{text} LIKE %s ESCAPE '\\'", (*params, f"%{connection.ops.prep_for_like_query(self.rhs)}%")


class Octets(Func):
    """How many bytes a text has in UTF-8."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Compiled:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **extra)


class PropertyText(KeyTextTransform):
    """A member of a JSON column as text; a number as it was written, which SQLite would round to 15 digits."""

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_extra: Any) -> Compiled:
        column, params, names = self.preprocess_lhs(compiler, connection)
        read = (
            f"CASE JSON_TYPE({column}, %s) WHEN 'text' THEN {column} ->> %s WHEN 'null' THEN NULL ELSE {column} -> %s"
        )
        return f"({read} END)", (*params, compile_json_path(names)) * 3


def _pattern(text: str, *, escaped: Callable[[str], str]) -> str:
    return "".join(f"[{found}]" if len(found := casing.variants(each)) > 1 else escaped(each) for each in text)


def _plain(sign: str) -> str:
    return f"[{sign}]" if sign in "*?[" else sign
