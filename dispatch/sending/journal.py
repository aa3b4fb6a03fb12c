"""What a worker process has handed over and what came of it, in a file that outlives it. Pure: no Django.

A file is a version and then notes, each with its length and checksum, so that one which a crash tore is known by it.
It is written without fsync: it survives the death of the process, not of the machine. Its process holds a lock on it
(flock) while it lives; whoever gets the lock knows that the process is dead, whatever became of its number.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import struct
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID
from zlib import crc32

import msgspec
from msgspec import Struct, structs

from dispatch.rules.settlement import Settlement

VERSION = b"XMNJ\x01"
"""How a file begins; the last byte counts the changes of what a note is."""
ROLLS_AT = 16 * 1024 * 1024
"""The size at which a journal is continued in a new file."""
MOST_REPLY = 500
"""Characters of the peer's words that a note holds."""
_FRAME = struct.Struct("<II")
_MOST_BODY = 1 << 20
_NAME = re.compile(r"([0-9a-f]{32})\.(\d+)")

logger = logging.getLogger(__name__)


class Taken(Struct, frozen=True, array_like=True, tag=1):
    """What is claimed under this lease is noted from here on. `probing`: it tries whether the server is back."""

    lease: UUID
    probing: bool = False


class HandedOver(Struct, frozen=True, array_like=True, tag=2):
    """These are about to be handed over: without another note about them nobody knows what came of it."""

    lease: UUID
    ids: tuple[UUID, ...]


class Outcome(Struct, frozen=True, array_like=True, tag=3):
    """What came of one."""

    lease: UUID
    settlement: Settlement


class Back(Struct, frozen=True, array_like=True, tag=4):
    """The peer certainly did not act on these."""

    lease: UUID
    ids: tuple[UUID, ...]


Note = Taken | HandedOver | Outcome | Back
Testimony = dict[UUID, dict[UUID, Settlement | None]]
"""By lease and delivery: its outcome, or None for what was handed over without one. Of a lease that is in it, every
other delivery was not handed over."""

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder: msgspec.msgpack.Decoder[Note] = msgspec.msgpack.Decoder(Note)


class Stuck(Exception):  # noqa: N818 - a state, not an error of the caller's
    """A note could be neither written nor the file removed: what is handed over under this lease would not be known."""


def encode(note: Note) -> bytes:
    body = _encoder.encode(note)
    return _FRAME.pack(len(body), crc32(body)) + body


def decode(octets: bytes) -> Iterator[Note]:
    """The notes of a file, up to the first that is torn; none of a file of another version."""
    if not octets.startswith(VERSION):
        return
    at = len(VERSION)
    while at + _FRAME.size <= len(octets):
        length, checksum = _FRAME.unpack_from(octets, at)
        at += _FRAME.size
        body = octets[at : at + length]
        if length > _MOST_BODY or len(body) < length or crc32(body) != checksum:
            return
        try:
            yield _decoder.decode(body)
        except msgspec.DecodeError:
            return
        at += length


def fold(notes: Iterable[Note]) -> Testimony:
    """What is known after all of the notes."""
    known: Testimony = {}
    for note in notes:
        of_lease = known.setdefault(note.lease, {})
        match note:
            case HandedOver(ids=ids):
                of_lease.update(dict.fromkeys(ids))
            case Outcome(settlement=settlement):
                of_lease[settlement.id] = settlement
            case Back(ids=ids):
                for delivery_id in ids:
                    of_lease.pop(delivery_id, None)
            case Taken():
                pass
    return known


def bounded(settlement: Settlement) -> Settlement:
    """With as much of the peer's words as a note holds, and without the dialogue."""
    attempt = settlement.attempt
    if len(attempt.detail) <= MOST_REPLY and not attempt.dialogue:
        return settlement
    short = structs.replace(attempt, detail=attempt.detail[:MOST_REPLY], dialogue="")
    return structs.replace(settlement, attempt=short, reason_detail=settlement.reason_detail[:MOST_REPLY])


class Journal:
    """The journal of this process. Safe between threads; its methods raise nothing but `Stuck`.

    `lost`: there is none, because the folder or a note could not be written. What is begun then is not known by it.
    """

    def __init__(self, folder: Path, *, worker: UUID, rolls_at: int = ROLLS_AT) -> None:
        self.lost = False
        self._folder, self._worker, self._rolls_at = folder, worker, rolls_at
        self._lock = threading.Lock()
        self._known: dict[UUID, dict[UUID, bytes | None]] = {}
        self._taken: dict[UUID, bytes] = {}
        self._doomed: frozenset[UUID] = frozenset()
        self._number, self._file, self._size, self._path = 0, -1, 0, folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._continue()
        except OSError as error:
            self.lost = True
            logger.warning("journal.none folder=%s error=%s", folder, error.strerror or error)

    def taken(self, lease: UUID, *, probing: bool = False) -> None:
        """A lane was taken under this lease."""
        with self._lock:
            self._known[lease] = {}
            self._taken[lease] = encode(Taken(lease, probing))
            self._add(self._taken[lease])

    def released(self, lease: UUID) -> None:
        """Nothing is claimed under this lease any more."""
        with self._lock:
            self._known.pop(lease, None)
            self._taken.pop(lease, None)
            self._shorten()

    def handing_over(self, lease: UUID, ids: Sequence[UUID]) -> None:
        """To be called before these are handed over; raises Stuck where they must not be."""
        with self._lock:
            self._known.setdefault(lease, {}).update(dict.fromkeys(ids))
            self._add(encode(HandedOver(lease, tuple(ids))))
            if lease in self._doomed:
                raise Stuck("the journal can't be written, and not be removed either")

    def outcomes(self, lease: UUID, settlements: Sequence[Settlement]) -> None:
        """What came of some; it is kept until they are `settled`."""
        with self._lock:
            notes = {each.id: encode(Outcome(lease, bounded(each))) for each in settlements}
            self._known.setdefault(lease, {}).update(notes)
            self._add(b"".join(notes.values()))

    def back(self, lease: UUID, ids: Sequence[UUID]) -> None:
        """The peer certainly did not act on these."""
        with self._lock:
            self._forget(lease, ids)
            self._add(encode(Back(lease, tuple(ids))))
            self._shorten()

    def settled(self, lease: UUID, ids: Iterable[UUID]) -> None:
        """The database has what came of these."""
        with self._lock:
            self._forget(lease, ids)
            self._shorten()

    def close(self) -> None:
        """Let it be found by others, as if the process had ended."""
        with self._lock:
            self._close()
            self.lost = True

    def end(self) -> None:
        """The process ends in order: the file goes, unless there is something in it for others to see to."""
        with self._lock:
            if not self._known and not self.lost:
                self._path.unlink(missing_ok=True)
            self._close()
            self.lost = True

    def disown(self) -> None:
        """For the child after a fork: the file and its lock are its parent's, who may hold any lock of a thread."""
        self._close()
        self.lost = True

    def _forget(self, lease: UUID, ids: Iterable[UUID]) -> None:
        known = self._known.get(lease, {})
        for delivery_id in ids:
            known.pop(delivery_id, None)

    def _add(self, notes: bytes) -> None:
        if self.lost:
            return
        try:
            if self._size + len(notes) > self._rolls_at:
                self._continue()  # the new file has the notes, for they are known by now
            else:
                _write(self._file, notes, at=self._size)
                self._size += len(notes)
        except OSError as error:
            self._lose(error)

    def _shorten(self) -> None:
        """Nothing in it is unsettled: begin it anew, with the leases alone. They go in first, over what stood there."""
        if self.lost or any(self._known.values()):
            return
        start = self._beginning()
        if len(start) >= self._size:
            return
        try:
            _write(self._file, start, at=0)
            os.ftruncate(self._file, len(start))
            self._size = len(start)
        except OSError as error:
            self._lose(error)

    def _beginning(self) -> bytes:
        """What a file has to hold for all that is unsettled."""
        notes = [VERSION, *self._taken.values()]
        for lease, known in self._known.items():
            open_ids = tuple(delivery_id for delivery_id, note in known.items() if note is None)
            if open_ids:
                notes.append(encode(HandedOver(lease, open_ids)))
            notes += [note for note in known.values() if note is not None]
        return b"".join(notes)

    def _continue(self) -> None:
        """Begin another file, under the lock before anybody can find it; the one before is not needed from then on."""
        self._number += 1
        path = self._folder / f"{self._worker.hex}.{self._number}"
        unseen = path.with_name(f".{path.name}")
        start = self._beginning()
        file = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(file, start, at=0)
            unseen.rename(path)
        except OSError:
            os.close(file)
            unseen.unlink(missing_ok=True)
            raise
        before = self._file
        old, self._path = self._path, path
        self._file, self._size = file, len(start)
        if before >= 0:
            with suppress(OSError):
                old.unlink()
            os.close(before)

    def _lose(self, error: OSError) -> None:
        """A journal that misses a note would say what is not so: it goes, immediately."""
        self.lost = True
        logger.error("journal.lost error=%s", error.strerror or error)
        try:
            for path in _files(self._folder):
                if path.name.startswith(self._worker.hex):
                    path.unlink(missing_ok=True)
        except OSError:
            self._doomed = frozenset(self._known)  # and the lock stays: this process lives
        else:
            self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


class Left(Struct):
    """What a dead process left: its files, locked by us, what they say, and the leases under which it probed."""

    worker: UUID
    files: list[Path]
    testimony: Testimony
    probing: frozenset[UUID]

    def remove(self) -> None:
        for path in self.files:
            path.unlink(missing_ok=True)


@contextmanager
def left_behind(folder: Path) -> Iterator[Iterator[Left]]:
    """The journals of dead processes, each locked until the block ends; another one that looks passes them over."""
    with ExitStack() as locks:
        yield _left(folder, locks)


def testimony(folder: Path, leases: Collection[UUID]) -> Testimony:
    """What the journals of this machine say of these leases, those of living processes included."""
    for _ in range(3):  # one that is continued in a new file vanishes in between
        with suppress(FileNotFoundError):
            notes = (note for path in _files(folder) for note in decode(_content(path)))
            return fold(note for note in notes if note.lease in leases)
    return {}


def _left(folder: Path, locks: ExitStack) -> Iterator[Left]:
    by_worker: dict[str, list[Path]] = {}
    for path in _files(folder):
        by_worker.setdefault(path.name.partition(".")[0], []).append(path)
    for worker, paths in by_worker.items():
        with ExitStack() as of_worker:
            contents = [_locked(path, of_worker) for path in paths]
            if None in contents:
                continue
            locks.push(of_worker.pop_all())
            notes = [note for octets in contents if octets for note in decode(octets)]
            probing = frozenset(note.lease for note in notes if isinstance(note, Taken) and note.probing)
            yield Left(UUID(worker), paths, fold(notes), probing)


def _files(folder: Path) -> list[Path]:
    """The files in the order they were written; none where the folder can't be read."""
    try:
        found = [(path, named) for path in folder.iterdir() if (named := _NAME.fullmatch(path.name))]
    except OSError:
        return []
    return [path for path, _ in sorted(found, key=lambda each: (each[1][1], int(each[1][2])))]


def _content(path: Path) -> bytes:
    """What a file holds, whoever writes it; nothing where it can't be read. Raises FileNotFoundError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError:
        return b""


def _locked(path: Path, locks: ExitStack) -> bytes | None:
    """What a file holds whose process is dead, locked; None where it lives, or another one has seen to it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        locks.callback(os.close, file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen = os.fstat(file)
    except OSError:
        return None
    return os.pread(file, seen.st_size, 0) if seen.st_nlink else None


def _write(file: int, octets: bytes, *, at: int) -> None:
    if os.pwrite(file, octets, at) < len(octets):
        raise OSError("not all of it could be written")
