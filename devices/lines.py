r"""The lines of CSV files of devices and users, as names with values; pure.

Two forms are taken. The original's own: positions, then names and values in turn, all between ";", with `\;`, `\\` and
`\n` as escapes. And tables as spreadsheets write them, with the names of the columns in the first line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from msgspec import Struct

LONGEST_LINE = 1_000_000
ENCODINGS = ("utf-8", "utf-16", "windows-1252")
DELIMITERS = (";", ",", "\t")

_PAIRS = re.compile(r"(?:(?:property)?(?:name|value|n|v)\d*|group\d*)?")
_CELL = re.compile(r"(?:\\[;\\]|[^;])*")
_ESCAPE = re.compile(r"\\([;\\n])")
_ESCAPE_IN_NAME = re.compile(r"\\([;\\])")
_LOGIN_NAMES = frozenset({"loginname", "user"})
_DECODED = {";": ";", "\\": "\\", "n": "\n"}
_WORKBOOK = b"PK\x03\x04"


class FileError(ValueError):
    """The file can't be read from this line on; `code` is stable, the message says what to do."""

    def __init__(self, code: str, message: str, *, line: int = 1, column: str = "", value: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.line, self.column, self.value = code, message, line, column, value


class Form(Struct, frozen=True):
    """What stands where. `positions` come first in each line of the original's form, the last again if it `repeats`,
    else followed by names and values. `names` has the column for what a person may call it (see `plain`).
    """

    positions: tuple[str, ...]
    names: Mapping[str, str]
    properties: str
    repeats: bool = False


class Layout(Struct, frozen=True):
    """How a file is read: the `columns` of a table (else the original's form), and the line of its heading or 0."""

    encoding: str
    delimiter: str
    columns: tuple[str, ...] = ()
    heading: int = 0


class Line(Struct, frozen=True):
    """`number` counts from 1. `cells` are columns or properties with their texts, as `wrong` says unless it is None."""

    number: int
    cells: tuple[tuple[str, str], ...] = ()
    wrong: FileError | None = None


def plain(name: str) -> str:
    """A column's name as it is compared: "OS version", "os_version" and "OSVersion" are one."""
    return re.sub(r"[\s_-]", "", name).casefold()


def find_layout(file: IO[bytes], form: Form, *, encoding: str = "", delimiter: str = "") -> Layout:
    """How this file is to be read, as far as it is not given; raises FileError."""
    known = encoding or _encoding(file)
    first = next(((number, text) for number, text in _texts(file, known) if text.strip("; \t\r\n")), None)
    if first is None:
        raise FileError("empty", "There is nothing in this file.")
    number, text = first
    candidates = [delimiter] if delimiter else DELIMITERS
    headings = {each: next(csv.reader([text[:100_000]], delimiter=each)) for each in candidates}
    best = max(headings, key=lambda each: len(_known(headings[each], form)))
    cells = headings[best]
    if _is_original_heading(cells, form):
        return Layout(known, ";", heading=number)
    if 2 * len(_known(cells, form)) > len(cells):
        return Layout(known, best, columns=_columns(cells, form, line=number), heading=number)
    if delimiter not in {"", ";"} or ";" not in text:
        expected = ";".join(form.positions)
        raise FileError(
            "no_columns",
            f"The first line has neither names of columns nor {expected} with semicolons between them.",
            line=number,
            value=text[:200].strip(),
        )
    return Layout(known, ";")


def read(file: IO[bytes], form: Form, *, layout: Layout) -> Iterator[Line]:
    """Every line but blank ones, in constant memory; raises FileError where the rest can't be read."""
    if layout.columns:
        yield from _table(file, layout=layout)
        return
    for number, text in _texts(file, layout.encoding):
        cells = _split(text.rstrip("\r\n"))
        if number != layout.heading and any(cells):
            yield _original(number, cells, form)


def split(text: str) -> list[str]:
    """The parts of a cell that holds several."""
    return [_unescaped(part, name="") for part in _split(text) if part]


def write(cells: Iterable[str]) -> str:
    """A line of the original's form."""
    return join(cells) + "\n"


def join(parts: Iterable[str]) -> str:
    """The cell that `split` reads."""
    return ";".join(map(_escaped, parts))


def property_cell(name: str, form: Form) -> str:
    """How a property is named beside columns: plainly, with its prefix where a column has the name."""
    is_taken = name in form.names.values() or name.startswith(form.properties)
    return f"{form.properties}{name}" if is_taken else name


def _original(number: int, cells: list[str], form: Form) -> Line:
    while cells and not cells[-1] and len(cells) > len(form.positions):
        cells.pop()
    fixed = len(form.positions)
    found = [(name, _unescaped(cell, name=name)) for name, cell in zip(form.positions, cells, strict=False)]
    rest = cells[fixed:]
    if form.repeats:
        last = form.positions[-1]
        found += [(last, _unescaped(each, name=last)) for each in rest if each]
        return Line(number, tuple(found))
    rest += [""] * (len(rest) % 2)
    for given, value in zip(rest[::2], rest[1::2], strict=True):
        if not given and value:
            wrong = FileError("no_name", "This value has no name before it.", line=number, value=value)
            return Line(number, wrong=wrong)
        if given:
            name = given if given in form.names.values() else _property(given, form)
            found.append((name, _unescaped(value, name=name)))
    return _once(Line(number, tuple(found)))


def _property(name: str, form: Form) -> str:
    return name if name.startswith(form.properties) else form.properties + name


def _once(line: Line) -> Line:
    names = [name for name, _value in line.cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is None:
        return line
    return Line(
        line.number, wrong=FileError("twice", "This name stands twice in the line.", line=line.number, column=twice)
    )


def _table(file: IO[bytes], *, layout: Layout) -> Iterator[Line]:
    width, ends = len(layout.columns), [0]
    texts = _counted(_texts(file, layout.encoding), ends)
    rows = csv.reader(texts, delimiter=layout.delimiter)
    while True:
        number = ends[0] + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            raise FileError(
                "unclosed", "A quotation mark that opens here is closed nowhere near.", line=number
            ) from None
        if number <= layout.heading or not any(cells):
            continue
        if any(cells[width:]):
            extra = next(each for each in cells[width:] if each)
            message = f"This line has more cells than the {width} columns of the first line."
            yield Line(number, wrong=FileError("too_many", message, line=number, value=extra))
        else:
            yield Line(number, tuple((name, cell) for name, cell in zip(layout.columns, cells, strict=False) if cell))


def _counted(texts: Iterable[tuple[int, str]], ends: list[int]) -> Iterator[str]:
    for number, text in texts:
        ends[0] = number
        yield text


def _texts(file: IO[bytes], encoding: str) -> Iterator[tuple[int, str]]:
    """Each line with its number and its end."""
    file.seek(0)
    reader = io.TextIOWrapper(file, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    number = 0
    try:
        while True:
            number += 1
            text = reader.readline(LONGEST_LINE + 1)
            if len(text) > LONGEST_LINE:
                raise FileError("too_long", f"This line has more than {LONGEST_LINE:,} characters.", line=number)
            if not text:
                return
            yield number, text
    except UnicodeError:
        message = f"From about here on this is not {encoding}: save the file as CSV in UTF-8."
        raise FileError("encoding", message, line=number) from None
    finally:
        reader.detach()


def _encoding(file: IO[bytes]) -> str:
    file.seek(0)
    start = file.read(4)
    if start.startswith(_WORKBOOK):
        raise FileError("workbook", "This is an Excel workbook: save it as CSV in UTF-8.")
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    try:
        for _line in _texts(file, "utf-8"):
            pass
    except FileError as error:
        if error.code != "encoding":
            raise
        return "windows-1252"
    return "utf-8"


def _known(cells: Sequence[str], form: Form) -> list[str]:
    return [cell for cell in cells if plain(cell) in form.names or cell.strip().startswith(form.properties)]


def _is_original_heading(cells: Sequence[str], form: Form) -> bool:
    given = [plain(cell).rstrip(".") for cell in cells]
    wanted = [plain(name) for name in form.positions]
    start = [form.names.get(each, each) for each in given[: len(wanted)]]
    rest = given[len(wanted) :]
    whole = start == [form.names.get(each, each) for each in wanted]
    return whole and bool(rest or form.repeats) and all(_PAIRS.fullmatch(each) for each in rest)


def _columns(cells: Sequence[str], form: Form, *, line: int) -> tuple[str, ...]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    found = []
    for cell in cells:
        name = cell.strip()
        column = name if name.startswith(form.properties) else form.names.get(plain(name))
        if column is None:
            known = ", ".join(dict.fromkeys(form.names.values()))
            message = (
                f"There is no column {name[:100]!r}: columns are {known}, and {form.properties}<name> for properties."
            )
            raise FileError("unknown_column", message, line=line, column=name[:100])
        if column in found:
            raise FileError("twice", f"The column {name!r} stands twice in the first line.", line=line, column=name)
        found.append(column)
    return tuple(found)


def _split(text: str) -> list[str]:
    """The cells between semicolons without a backslash before them, still escaped."""
    if "\\" not in text:
        return text.split(";")
    cells, at = [], 0
    while at <= len(text):
        found = _CELL.match(text, at)
        assert found
        cells.append(found[0])
        at = found.end() + 1
    return cells


def _unescaped(cell: str, *, name: str) -> str:
    r"""Any other backslash is itself, and in a login name, where no line can end, so is the one of `DOMAIN\nick`."""
    escape = _ESCAPE_IN_NAME if name in _LOGIN_NAMES else _ESCAPE
    return escape.sub(lambda found: _DECODED[found[1]], cell) if "\\" in cell else cell


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(";", "\\;")
    return text.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n")
