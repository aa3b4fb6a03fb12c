"""What the commands that import and export devices and users have in common."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from devices import exports, filters, imports
from devices.filters import Filter, FilterError
from devices.imports import Kind, Report, Source
from devices.lines import DELIMITERS, ENCODINGS, FileError
from devices.scope import EVERYBODY
from foundation import formulas
from foundation.audit import Actor
from servers.queries import country

SHOWN_FAULTS = 20


class ImportCommand(BaseCommand):
    """`kind` says what the file holds."""

    kind: Kind

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be stored and what is wrong")
        parser.add_argument(
            "--faults", type=Path, help="write all faults to this CSV file: line, column, value, reason"
        )
        parser.add_argument("--new-properties", action="store_true", help="take properties that no record has yet")
        parser.add_argument("--encoding", choices=ENCODINGS, default="", help="default: found in the file")
        parser.add_argument("--delimiter", choices=DELIMITERS, default="", help="default: found in the file")

    def handle(self, **options: Any) -> None:
        try:
            with options["file"].open("rb") as file, _sheet(options["faults"]) as on_fault:
                given = {name: options[name] for name in ("encoding", "delimiter")}
                source = Source(
                    file,
                    self.kind,
                    imports.find_layout(file, self.kind, **given),
                    country(),
                    EVERYBODY,
                    takes_unknown=options["new_properties"],
                    on_fault=on_fault,
                    on_progress=self._progress,
                )
                self._tell(self._run(source, is_dry=options["dry_run"]), is_dry=options["dry_run"])
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None
        except FileError as error:
            raise CommandError(f"Line {error.line}: {error}") from None

    def _run(self, source: Source, *, is_dry: bool) -> Report:
        if is_dry:
            return imports.preview(source, now=timezone.now())
        return imports.store(source, now=timezone.now(), actor=Actor(f"import_{self.kind}"))

    def _progress(self, lines: int, is_dry: bool) -> None:  # noqa: FBT001 - as Source calls it
        if sys.stderr.isatty():
            self.stderr.write(f"\r{lines:,} lines {'read' if is_dry else 'stored'}", ending="")

    def _tell(self, report: Report, *, is_dry: bool) -> None:
        layout = report.layout
        form = f"columns {', '.join(layout.columns)}" if layout.columns else "the original's form"
        self.stdout.write(f"Read as {layout.encoding}, separated by {layout.delimiter!r}, {form}.")
        for fault in report.faults[:SHOWN_FAULTS]:
            where = ", ".join(word for word in (fault.column, repr(fault.value) if fault.value else "") if word)
            self.stdout.write(f"Line {fault.line}: {f'{where}: ' if where else ''}{fault.reason}")
        if report.unknown:
            self.stdout.write(f"No record has these properties yet: {', '.join(report.unknown)}.")
        counts = f"{report.created} new, {report.changed} changed, {report.same} the same"
        if report.fault_count:
            raise CommandError(
                f"Nothing was stored: {report.fault_count} of {report.lines} lines are wrong ({counts})."
            )
        if not report.is_stored and not is_dry:
            raise CommandError(f"Nothing was stored: fix the names, or add --new-properties ({counts}).")
        self.stdout.write(f"{report.lines} lines: {counts}.{' Nothing was stored: dry run.' if is_dry else ''}")


class ExportCommand(BaseCommand):
    kinds: tuple[Kind, ...]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="the file to write; default: standard output")
        parser.add_argument("--filter", default="", help='JSON, such as {"all": [{"field": "platform", ...}]}')
        parser.add_argument("--columns", default="", help="a table of these, separated by commas; default: everything")
        if len(self.kinds) > 1:
            parser.add_argument("--attributes", action="store_true", help="their attributes in place of their groups")

    def handle(self, **options: Any) -> None:
        kind = self.kinds[-1] if options.get("attributes") else self.kinds[0]
        columns = [name.strip() for name in options["columns"].split(",") if name.strip()]
        wanted, now = _filter(options["filter"]), timezone.now()
        try:
            found = (
                exports.table(kind, columns=columns, wanted=wanted, scope=EVERYBODY, now=now)
                if columns
                else exports.original(kind, wanted=wanted, scope=EVERYBODY, now=now)
            )
        except exports.ColumnError as error:
            raise CommandError(str(error)) from None
        if options["file"] is None:
            for line in found:
                self.stdout.write(line, ending="")
            return
        try:
            with options["file"].open("w", encoding="utf-8", newline="") as file:
                file.writelines(found)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None


def _filter(text: str) -> Filter | None:
    try:
        return filters.parse(json.loads(text)) if text else None
    except ValueError as error:
        where = f" ({error.field})" if isinstance(error, FilterError) and error.field else ""
        raise CommandError(f"--filter{where}: {error}") from None


@contextlib.contextmanager
def _sheet(path: Path | None) -> Iterator[Any]:
    """What writes faults into this file, or does nothing without one."""
    if path is None:
        yield lambda _fault: None
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        line = csv.writer(file)
        line.writerow(["line", "column", "value", "reason"])
        yield lambda fault: line.writerow(
            [fault.line, *map(formulas.guarded, (fault.column, fault.value, fault.reason))]
        )
