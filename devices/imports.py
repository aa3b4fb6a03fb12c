"""Devices, users and their attributes out of CSV files.

First comes a dry run over all lines, then, if none is wrong, the same once more with writing. Both are one function, so
that the preview tells what the import does. Lines are written some hundreds at a time, so that nobody waits for a lock;
an import that was killed goes on when it is started again, since lines that are stored already change nothing
(docs/decisions/imports.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import IO, Any

from msgspec import Struct, field

from devices import edits, lines, statements
from devices.edits import Item, Saved
from devices.fields import FieldError
from devices.lines import FileError, Form, Layout, Line, plain
from devices.models import Device, Person
from devices.scope import GroupScope
from foundation import formulas
from foundation.audit import Actor
from foundation.sql.seen import Seen
from foundation.sql.statements import rows_of

AT_ONCE = 500
MOST_FAULTS = 1_000
MOST_NAMES = 1_000

_YES, _NO = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_IGNORED = frozenset({"password", "role"})


class Kind(StrEnum):
    DEVICES = "devices"
    USERS = "users"
    ATTRIBUTES = "attributes"


class Fault(Struct, frozen=True):
    """What is wrong in which line; `reason` says what to do about it. Nothing is read after one that `ends_reading`."""

    line: int
    column: str
    value: str
    code: str
    reason: str
    ends_reading: bool = False


class Report(Struct):
    """What an import did, or would do. `faults` are the first of them, the gravest before them; `unknown` are
    properties that no record has.
    """

    layout: Layout
    lines: int = 0
    created: int = 0
    changed: int = 0
    same: int = 0
    fault_count: int = 0
    faults: list[Fault] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    is_stored: bool = False


class Source(Struct, frozen=True):
    """A file to import and how. `country` (ISO 3166) reads phone numbers; `takes_unknown` properties too. What is
    outside of `scope` is not touched.

    `on_fault` gets every fault, `on_progress` the number of lines that are done, of the dry run and of the writing.
    """

    file: IO[bytes]
    kind: Kind
    layout: Layout
    country: str
    scope: GroupScope
    takes_unknown: bool = False
    on_fault: Callable[[Fault], None] = lambda _fault: None
    on_progress: Callable[[int, bool], None] = lambda _lines, _is_dry: None


def find_layout(file: IO[bytes], kind: Kind, *, encoding: str = "", delimiter: str = "") -> Layout:
    """How the file is to be read, as far as it is not given; raises FileError."""
    return lines.find_layout(file, FORMS[kind], encoding=encoding, delimiter=delimiter)


def preview(source: Source, *, now: datetime) -> Report:
    """What the import would do; nothing is stored."""
    return _run(source, now=now, actor=None)


def store(source: Source, *, now: datetime, actor: Actor) -> Report:
    """Import the file if every line of it is right and every property known; else only say what is wrong."""
    found = preview(source, now=now)
    if found.fault_count or (found.unknown and not source.takes_unknown):
        return found
    if found.created or found.changed:
        edits.record_import(
            actor, model=_model(source.kind), lines=found.lines, created=found.created, changed=found.changed
        )
    return _run(source, now=now, actor=actor)


def _run(source: Source, *, now: datetime, actor: Actor | None) -> Report:
    report = Report(source.layout)
    known = None if actor else _known_properties(source.kind)
    with Seen() as seen:
        numbered = _items(source, report=report, seen=seen, known=known)
        while chunk := list(islice(numbered, AT_ONCE)):
            results = iter(
                edits.save_many(
                    _model(source.kind),
                    [each for _number, each in chunk if isinstance(each, Item)],
                    scope=source.scope,
                    country=source.country,
                    now=now,
                    is_dry=actor is None,
                )
            )
            for number, each in chunk:
                if isinstance(each, Item):
                    _count(
                        _judged(next(results), number=number, item=each, source=source), report=report, source=source
                    )
                else:
                    _count(each, report=report, source=source)
            source.on_progress(report.lines, actor is None)
    report.is_stored = actor is not None
    return report


def _items(
    source: Source, *, report: Report, seen: Seen, known: frozenset[str] | None
) -> Iterator[tuple[int, Item | Fault]]:
    """Each line with its number, as an item or what is wrong with it."""
    try:
        for line in lines.read(source.file, FORMS[source.kind], layout=source.layout):
            report.lines += 1
            try:
                item = _item(line, kind=source.kind)
                _once(item, line.number, seen=seen)
            except (FileError, FieldError) as error:
                yield line.number, _fault(error, line=line.number, given=dict(line.cells), source=source)
                continue
            if known is not None:
                _note_unknown(item, known=known, report=report)
            yield line.number, item
    except FileError as error:
        yield error.line, _fault(error, line=error.line, given={}, source=source, ends_reading=True)


def _judged(result: Saved[Any] | FieldError, *, number: int, item: Item, source: Source) -> Saved[Any] | Fault:
    if isinstance(result, Saved):
        return result
    given = {item.key: item.value, **item.given, **_by_path(item.given.get("properties") or {})}
    return _fault(result, line=number, given=given, source=source)


def _count(result: Saved[Any] | Fault, *, report: Report, source: Source) -> None:
    if isinstance(result, Saved):
        report.created += result.created
        report.changed += bool(result.changed) and not result.created
        report.same += not result.changed and not result.created
        return
    report.fault_count += 1
    if result.ends_reading:
        report.faults.insert(0, result)
    elif len(report.faults) < MOST_FAULTS:
        report.faults.append(result)
    source.on_fault(result)


def _by_path(properties: Mapping[str, str]) -> dict[str, str]:
    return {f"properties.{name}": value for name, value in properties.items()}


def _fault(
    error: FileError | FieldError, *, line: int, given: Mapping[str, Any], source: Source, ends_reading: bool = False
) -> Fault:
    column = error.field if isinstance(error, FieldError) else error.column
    value = error.value if isinstance(error, FileError) else given.get(column, "")
    form = FORMS[source.kind]
    shown = column.replace("properties.", form.properties, 1) if column.startswith("properties.") else column
    return Fault(line, shown, str(value or "")[:200], error.code, str(error), ends_reading)


def _item(line: Line, *, kind: Kind) -> Item:
    """What the cells of the line say; raises FileError or FieldError."""
    if line.wrong:
        raise line.wrong
    form, given = FORMS[kind], dict[str, Any]()
    for name, cell in line.cells:
        text = formulas.unguarded(cell)
        if name in _IGNORED:
            continue
        if name == "group":
            given.setdefault("groups", []).append(text)
        elif name.startswith(form.properties):
            given.setdefault("properties", {})[name.removeprefix(form.properties)] = text
        elif text := text.strip():
            given[name] = _READERS[name](name, text) if name in _READERS else text
        else:
            given[name] = None
    if kind is not Kind.DEVICES:
        return Item("loginname", _key(given, "loginname"), given, must_exist=kind is Kind.ATTRIBUTES)
    if not given.get("platform"):
        given.pop("platform", None)
    key = "serial" if given.get("serial") else "imei"
    given.pop("serial" if key == "imei" else "", None)
    if key == "serial" and not given.get("imei"):
        given.pop("imei", None)
    return Item(key, _key(given, key), given)


def _key(given: dict[str, Any], name: str) -> str:
    value = given.pop(name, None)
    if not value:
        words = "the serial number or the IMEI" if name == "imei" else "the user's login name"
        raise FieldError("serial" if name == "imei" else name, "required", f"Give {words}.")
    return str(value).strip()


def _once(item: Item, number: int, *, seen: Seen) -> None:
    first = seen.before(
        f"{item.key}:{item.value.lower()}" if item.key == "loginname" else f"{item.key}:{item.value}", number
    )
    if item.given.get("imei"):
        seen.before(f"imei:{item.given['imei'].strip()}", number)
    if first:
        raise FieldError(item.key, "twice", f"Line {first} has the same: keep one of the two.")


def _note_unknown(item: Item, *, known: frozenset[str], report: Report) -> None:
    for name in item.given.get("properties") or ():
        if known and name not in known and name not in report.unknown and len(report.unknown) < MOST_NAMES:
            report.unknown.append(name)


def _known_properties(kind: Kind) -> frozenset[str]:
    """Those of the latest records; while there are none, every name is as good as any other."""
    table = _model(kind)._meta.db_table  # noqa: SLF001 - a public name
    return frozenset(name for (name,) in rows_of(statements.property_names(table)))


def _model(kind: Kind) -> type[Device | Person]:
    return Device if kind is Kind.DEVICES else Person


def _flag(name: str, text: str) -> bool:
    word = text.strip().casefold()
    if word not in _YES | _NO:
        raise FieldError(name, "invalid", "Give true or false.")
    return word in _YES


def _moment(name: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise FieldError(name, "invalid", "Give a time such as 2026-11-22T14:00:00+01:00.") from None


def _names(_name: str, text: str) -> list[str]:
    return lines.split(text)


def _choice(values: Sequence[str]) -> Callable[[str, str], str]:
    """In any case; what is none of them is refused where every value is."""
    known = {plain(value): value for value in values}
    return lambda _name, text: known.get(plain(text), text)


def _form(
    positions: Sequence[str],
    columns: Iterable[str],
    *,
    properties: str,
    called: Mapping[str, str],
    repeats: bool = False,
) -> Form:
    names = {plain(name): name for name in columns} | {plain(name): column for name, column in called.items()}
    return Form(tuple(positions), names, properties, repeats=repeats)


DEVICE_COLUMNS = (
    *("serial", "imei", "platform", "os_version", "model", "name", "ownership", "phone_number", "carrier", "has_sim"),
    *("managed", "jailbroken", "out_of_compliance", "gateway_blocked", "last_access", "user"),
)
USER_COLUMNS = ("displayname", "mail", "mobile", "language", "time_zone", "disabled")
_CALLED = {"serial number": "serial", "operating system family": "platform", "os": "platform", "login name": "user"}
_LOGIN = {"user": "loginname", "login name": "loginname", "user name": "loginname"}
FORMS = {
    Kind.DEVICES: _form(("serial", "imei", "platform"), DEVICE_COLUMNS, properties="device.", called=_CALLED),
    Kind.USERS: _form(
        ("loginname", "password", "role", "group"),
        ("loginname", *USER_COLUMNS, "groups", "password", "role", "group"),
        properties="user.",
        called=_LOGIN,
        repeats=True,
    ),
    Kind.ATTRIBUTES: _form(("loginname",), ("loginname", *USER_COLUMNS), properties="user.", called=_LOGIN),
}
_READERS: dict[str, Callable[[str, str], Any]] = {
    **dict.fromkeys(("has_sim", "managed", "jailbroken", "out_of_compliance", "gateway_blocked", "disabled"), _flag),
    "platform": _choice(Device.Platform.values),
    "ownership": _choice(Device.Ownership.values),
    "last_access": _moment,
    "groups": _names,
}
