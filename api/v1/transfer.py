"""Devices and users as CSV files, in and out."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPMethod, HTTPStatus
from typing import Literal

from django.http import HttpResponse, StreamingHttpResponse
from msgspec import Struct

from api.kit import operation
from api.kit.callers import ApiScope
from api.kit.operation import CSV, Call, Operation
from api.kit.problems import FieldError, ProblemError, unprocessable
from api.v1.bodies import filter_in
from devices import exports, imports
from devices.imports import Kind, Report, Source
from devices.lines import FileError
from servers.queries import country

MOST_BYTES = 256 * 1024 * 1024
IMPORTS = "/imports/"


class ImportQuery(Struct, forbid_unknown_fields=True):
    """`encoding` and `delimiter` are found in the file unless given; `new_properties` takes names no record has yet."""

    dry_run: bool = False
    new_properties: bool = False
    encoding: Literal["", "utf-8", "utf-16", "windows-1252"] = ""
    delimiter: Literal["", ";", ",", "tab"] = ""


class ExportQuery(Struct, forbid_unknown_fields=True):
    """`filter` is the JSON of an audience; `columns`, separated by commas, make a table; else everything comes."""

    filter: str = ""
    columns: str = ""


class FaultBody(Struct):
    """What is wrong in which line."""

    line: int
    column: str
    value: str
    code: str
    reason: str


class ImportAnswer(Struct):
    """What was stored, or in a dry run would be; `faults` are the first 1,000, `columns` those of a table."""

    stored: bool
    lines: int
    created: int
    changed: int
    same: int
    fault_count: int
    faults: list[FaultBody]
    unknown_properties: list[str]
    encoding: str
    delimiter: str
    columns: list[str]


def _import(call: Call, *, kind: Kind) -> HttpResponse:
    query: ImportQuery = call.query
    assert call.file
    with call.file as file:
        delimiter = "\t" if query.delimiter == "tab" else query.delimiter
        try:
            layout = imports.find_layout(file, kind, encoding=query.encoding, delimiter=delimiter)
        except FileError as error:
            raise unprocessable(f"{error.line}.{error.column}".rstrip("."), error.code, error.message) from None
        source = Source(file, kind, layout, country(), call.caller.within, takes_unknown=query.new_properties)
        if query.dry_run:
            return operation.answer(_answer(imports.preview(source, now=call.now)))
        report = imports.store(source, now=call.now, actor=call.actor)
    if not report.is_stored:
        raise _refusal(report)
    return operation.answer(_answer(report))


def _answer(report: Report) -> ImportAnswer:
    return ImportAnswer(
        stored=report.is_stored,
        lines=report.lines,
        created=report.created,
        changed=report.changed,
        same=report.same,
        fault_count=report.fault_count,
        faults=[FaultBody(one.line, one.column, one.value, one.code, one.reason) for one in report.faults],
        unknown_properties=report.unknown,
        encoding=report.layout.encoding,
        delimiter="tab" if report.layout.delimiter == "\t" else report.layout.delimiter,
        columns=list(report.layout.columns),
    )


def _refusal(report: Report) -> ProblemError:
    """422 with each wrong line, as "12.platform"."""
    errors = [FieldError(f"{one.line}.{one.column}".rstrip("."), one.code, one.reason) for one in report.faults]
    if errors:
        return ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"Nothing was stored: {report.fault_count} of {report.lines} lines are wrong.",
            errors=errors,
        )
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Nothing was stored: fix the names of these properties, or give new_properties=true.",
        errors=[FieldError(name, "unknown_property", "No record has this property yet.") for name in report.unknown],
    )


def _export(call: Call, *, kind: Kind) -> StreamingHttpResponse:
    query: ExportQuery = call.query
    wanted = filter_in(query.filter) if query.filter else None
    columns = [name.strip() for name in query.columns.split(",") if name.strip()]
    try:
        found = (
            exports.table(kind, columns=columns, wanted=wanted, scope=call.caller.within, now=call.now)
            if columns
            else exports.original(kind, wanted=wanted, scope=call.caller.within, now=call.now)
        )
    except exports.ColumnError as error:
        raise unprocessable("columns", "unknown", str(error)) from None
    answer = StreamingHttpResponse(found, content_type=f"{CSV}; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{kind}.csv"'
    return answer


def import_devices(call: Call) -> HttpResponse:
    return _import(call, kind=Kind.DEVICES)


def import_users(call: Call) -> HttpResponse:
    return _import(call, kind=Kind.USERS)


def import_attributes(call: Call) -> HttpResponse:
    return _import(call, kind=Kind.ATTRIBUTES)


def export_devices(call: Call) -> StreamingHttpResponse:
    return _export(call, kind=Kind.DEVICES)


def export_users(call: Call) -> StreamingHttpResponse:
    return _export(call, kind=Kind.USERS)


def export_attributes(call: Call) -> StreamingHttpResponse:
    return _export(call, kind=Kind.ATTRIBUTES)


def _importing(view: Callable[[Call], HttpResponse], kind: Kind, summary: str) -> Operation:
    return Operation(
        HTTPMethod.POST,
        f"{IMPORTS}{kind}",
        view,
        summary,
        answer=ImportAnswer,
        scopes=(ApiScope.DEVICES,),
        query=ImportQuery,
        content_types=(CSV,),
        most_bytes=MOST_BYTES,
        streams=True,
    )


def _exporting(view: Callable[[Call], StreamingHttpResponse], kind: Kind, summary: str) -> Operation:
    return Operation(
        HTTPMethod.GET,
        f"/exports/{kind}",
        view,
        summary,
        scopes=(ApiScope.READ, ApiScope.DEVICES),
        query=ExportQuery,
        answers_csv=True,
    )


OPERATIONS = (
    _importing(import_devices, Kind.DEVICES, "Import devices: all lines of a CSV file, or none if one is wrong"),
    _importing(import_users, Kind.USERS, "Import users with their groups, as devices"),
    _importing(import_attributes, Kind.ATTRIBUTES, "Import attributes of known users, as devices"),
    _exporting(export_devices, Kind.DEVICES, "Devices as CSV"),
    _exporting(export_users, Kind.USERS, "Users with their groups as CSV"),
    _exporting(export_attributes, Kind.ATTRIBUTES, "Attributes of users as CSV"),
)
