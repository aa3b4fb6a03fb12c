"""Imports on the console: a file is kept sealed between its check and its import, both of which run in a thread.

A thread of the web process works, so that no request waits, and notes in the row how far it is. A process that ends
leaves a row that does not go on; the same button starts it again, and lines that are stored change nothing any more.
"""

from __future__ import annotations

import csv
import io
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from threading import BoundedSemaphore, Thread
from typing import IO, Self

import msgspec
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct, field

from devices import country, imports
from devices.imports import Fault, Kind, Report, Source
from devices.lines import FileError, Layout
from devices.models import ImportPart, ImportRun
from devices.scope import GroupScope
from foundation import formulas, retention
from foundation.audit import Actor
from foundation.retention import Kept
from foundation.secrets import seal, unseal
from foundation.sql.locks import hold

AT_ONCE = 2
PATHS = ("devices/import/", "users/import/")
"""Where files come in: the web server takes larger bodies there."""
MOST_BYTES = 64 * 1024 * 1024
SHOWN_FAULTS = 100
KEPT = timedelta(days=1)
LOST = timedelta(minutes=2)
"""Whoever notes nothing for so long has ended; a chunk of lines takes well below a second."""

_PART = 512 * 1024
_NOTED_SECONDS = 0.5
_HEAD = ("line", "column", "value", "reason")
_State, _What = ImportRun.State, ImportPart.What
_UNDER_WAY = (_State.CHECKING, _State.STORING)
_slots = BoundedSemaphore(AT_ONCE)
logger = logging.getLogger(__name__)


class RefusedImportError(Exception):
    """Not now, or not this; the text is for people."""


class Found(Struct):
    """What the check shows. `faults` are the gravest: those that end the reading, then the first ones."""

    layout: Layout | None = None
    faults: list[Fault] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def receive(
    pieces: Iterable[bytes], *, name: str, kind: Kind, owner: AbstractBaseUser, encoding: str = "", delimiter: str = ""
) -> ImportRun:
    """Keep a file to check it. What the owner handed in before goes, unless it is being worked on.

    Raises RefusedImportError for one that is too large, and where the owner's last one is still under way.
    """
    now = timezone.now()
    with transaction.atomic():
        hold(f"import:{owner.pk}")
        mine = ImportRun.objects.filter(owner=owner.pk)
        if mine.filter(state__in=_UNDER_WAY, beat_at__gt=now - LOST).exists():
            raise RefusedImportError(_("Your last import is still under way. Wait until it is done."))
        mine.delete()
        run = ImportRun.objects.create(
            owner_id=owner.pk,
            kind=kind,
            name=name[:255],
            size=0,
            country=country.default(),
            encoding=encoding,
            delimiter=delimiter,
            created_at=now,
            beat_at=now,
        )
        run.size = _keep(run, _What.FILE, pieces)
        if run.size > MOST_BYTES:
            raise RefusedImportError(_("The file is larger than %d MiB. Import it in parts.") % (MOST_BYTES // 2**20))
        run.save(update_fields=["size"])
    return run


def start_check(run: ImportRun, *, scope: GroupScope) -> None:
    """Look through the file in a thread; raises RefusedImportError when too many are under way."""
    _begin(run, _State.CHECKING, partial(carry_out, run, scope=scope))


def start_import(run: ImportRun, *, scope: GroupScope, takes_unknown: bool, actor: Actor) -> None:
    """Import the file as its check showed, in a thread; raises RefusedImportError.

    It is checked once more before the first line is stored: what is stored may have changed meanwhile.
    """
    _begin(run, _State.STORING, partial(carry_out, run, scope=scope, actor=actor, takes_unknown=takes_unknown))


def is_under_way(run: ImportRun, *, now: datetime) -> bool:
    return run.state in _UNDER_WAY and not is_lost(run, now=now)


def is_lost(run: ImportRun, *, now: datetime) -> bool:
    """Whether its process ended before the work did."""
    return run.state in _UNDER_WAY and now - run.beat_at > LOST


def found(run: ImportRun) -> Found:
    """What the last check showed."""
    kept = b"".join(_pieces(run, _What.REPORT))
    return msgspec.json.decode(kept, type=Found) if kept else Found()


def sheet(run: ImportRun) -> Iterator[str]:
    """All faults as CSV, the gravest first."""
    yield ",".join(_HEAD) + "\r\n"
    for piece in _pieces(run, _What.FAULTS):
        yield piece.decode()


def register() -> None:
    """Files go with time too, where nobody comes back to them."""
    retention.register(Kept("imports", lambda: KEPT.days, _remove))


def _remove(before: datetime) -> int:
    return ImportRun.objects.filter(created_at__lt=before).delete()[0]


def _begin(run: ImportRun, state: ImportRun.State, work: Callable[[], None]) -> None:
    if not _slots.acquire(blocking=False):
        raise RefusedImportError(_("%d imports are under way already. Try again in a moment.") % AT_ONCE)
    try:
        _take(run, state)
        Thread(target=_work, args=(run, work), daemon=True, name="import").start()
    except BaseException:
        _slots.release()
        raise


def _take(run: ImportRun, state: ImportRun.State) -> None:
    now = timezone.now()
    free = ImportRun.objects.filter(pk=run.pk).exclude(state=_State.STORED)
    if not free.exclude(state__in=_UNDER_WAY, beat_at__gt=now - LOST).update(state=state, beat_at=now, percent=0):
        raise RefusedImportError(_("This import is under way or done already."))


def _work(run: ImportRun, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - its words may hold a line of the file: only what it is goes to the log
        ImportRun.objects.filter(pk=run.pk).update(state=_State.BROKEN)
        logger.error("import.broken run=%s error=%s", run.pk, type(error).__name__)  # noqa: TRY400 - as above
    finally:
        connection.close()
        _slots.release()


def carry_out(run: ImportRun, *, scope: GroupScope, actor: Actor | None = None, takes_unknown: bool = False) -> None:
    """Check the file, and with an `actor` import it if nothing is wrong."""
    with _Faults(run) as faults, tempfile.TemporaryFile() as file:
        for piece in _pieces(run, _What.FILE):
            file.write(piece)
        try:
            layout = found(run).layout or _layout(file, run)
        except FileError as error:
            wrong = Fault(error.line, error.column, error.value[:200], error.code, str(error), ends_reading=True)
            faults.add(wrong)
            _finish(run, Report(Layout("", ""), fault_count=1, faults=[wrong]), layout=None)
            return
        progress = _Progress(run, file, passes=2 if actor else 1)
        source = Source(
            file,
            Kind(run.kind),
            layout,
            run.country,
            scope,
            takes_unknown=takes_unknown,
            on_fault=faults.add,
            on_progress=progress.note,
        )
        now = timezone.now()
        report = imports.store(source, now=now, actor=actor) if actor else imports.preview(source, now=now)
    _finish(run, report, layout=layout)


def _layout(file: IO[bytes], run: ImportRun) -> Layout:
    return imports.find_layout(file, Kind(run.kind), encoding=run.encoding, delimiter=run.delimiter)


def _finish(run: ImportRun, report: Report, *, layout: Layout | None) -> None:
    with transaction.atomic():
        shown = Found(layout, report.faults[:SHOWN_FAULTS], report.unknown)
        run.parts.filter(what=_What.REPORT).delete()
        _keep(run, _What.REPORT, [msgspec.json.encode(shown)])
        if report.is_stored:
            run.parts.filter(what=_What.FILE).delete()
        ImportRun.objects.filter(pk=run.pk).update(
            state=_State.STORED if report.is_stored else _State.CHECKED,
            percent=100,
            beat_at=timezone.now(),
            **{name: getattr(report, name) for name in ("lines", "created", "changed", "same", "fault_count")},
        )


class _Progress:
    """Notes in the row how much of the file is through."""

    def __init__(self, run: ImportRun, file: IO[bytes], *, passes: int) -> None:
        self._run, self._file, self._passes = run, file, passes
        self._noted = time.monotonic()

    def note(self, lines: int, is_dry: bool) -> None:  # noqa: FBT001 - as Source calls it
        if time.monotonic() - self._noted < _NOTED_SECONDS:
            return
        self._noted = time.monotonic()
        done = self._file.tell() / max(1, self._run.size) + (0 if is_dry else 1)
        ImportRun.objects.filter(pk=self._run.pk).update(
            lines=lines, percent=min(99, int(100 * done / self._passes)), beat_at=timezone.now()
        )


class _Faults:
    """Keeps faults as lines of CSV, some thousands at a time; one that ends the reading goes before the others."""

    def __init__(self, run: ImportRun) -> None:
        self._run, self._number = run, 0
        self._text = io.StringIO()

    def __enter__(self) -> Self:
        self._run.parts.filter(what=_What.FAULTS).delete()
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()

    def add(self, fault: Fault) -> None:
        if fault.ends_reading:
            self._flush()
            self._write(fault)
            self._keep(0)
            return
        self._write(fault)
        if self._text.tell() > _PART:
            self._flush()

    def _write(self, fault: Fault) -> None:
        cells = (fault.line, *map(formulas.guarded, (fault.column, fault.value, fault.reason)))
        csv.writer(self._text).writerow(cells)

    def _flush(self) -> None:
        if self._text.tell():
            self._number += 1
            self._keep(self._number)

    def _keep(self, number: int) -> None:
        _add(self._run, _What.FAULTS, number, self._text.getvalue().encode())
        self._text = io.StringIO()


def _keep(run: ImportRun, what: ImportPart.What, pieces: Iterable[bytes]) -> int:
    """How many bytes there were; it stops soon after too many."""
    size, number, held = 0, 0, bytearray()
    for piece in pieces:
        held += piece
        size += len(piece)
        if len(held) >= _PART:
            _add(run, what, number, bytes(held))
            number, held = number + 1, bytearray()
        if size > MOST_BYTES:
            return size
    if held:
        _add(run, what, number, bytes(held))
    return size


def _add(run: ImportRun, what: ImportPart.What, number: int, piece: bytes) -> None:
    ImportPart.objects.create(run=run, what=what, number=number, sealed=seal(piece.decode("latin-1")))


def _pieces(run: ImportRun, what: ImportPart.What) -> Iterator[bytes]:
    numbers = list(run.parts.filter(what=what).order_by("number").values_list("number", flat=True))
    for number in numbers:
        kept = run.parts.filter(what=what, number=number).values_list("sealed", flat=True).first() or ""
        yield unseal(kept).encode("latin-1")
