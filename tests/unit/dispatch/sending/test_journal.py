import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dispatch.rules.settlement import AttemptRecord, Settlement
from dispatch.sending import journal
from dispatch.sending.journal import Back, HandedOver, Journal, Outcome, Stuck, Taken, decode, encode, fold

ROOT = Path(__file__).resolve().parents[4]
WORKER = UUID(int=7)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LEASE = UUID(int=1)

times = st.integers(0, 4 * 10**9).map(lambda seconds: NOW + timedelta(microseconds=seconds))
words = st.text(max_size=80)
attempts = st.builds(
    AttemptRecord,
    started_at=times,
    duration_ms=st.integers(0, 10**7),
    outcome=words,
    code=words,
    reply=words,
    enhanced=words,
    detail=words,
    next_try_at=st.none() | times,
)
settlements = st.builds(
    Settlement,
    id=st.uuids(),
    state=words,
    tries=st.integers(0, 1000),
    attempt_count=st.integers(0, 1000),
    attempt=attempts,
    due_at=st.none() | times,
    sent_at=st.none() | times,
    reason_code=words,
    reason_detail=words,
    provider_id=words,
    lapsed=st.booleans(),
)
several = st.lists(st.uuids(), max_size=5).map(tuple)
notes = st.one_of(
    st.builds(Taken, st.uuids()),
    st.builds(HandedOver, st.uuids(), several),
    st.builds(Outcome, st.uuids(), settlements),
    st.builds(Back, st.uuids(), several),
)


def settlement(delivery_id, *, detail="250 taken", dialogue="", attempt_count=1):
    record = AttemptRecord(NOW, 12, "sent", detail=detail, dialogue=dialogue)
    return Settlement(delivery_id, "sent", 1, attempt_count, record, sent_at=NOW, reason_detail=detail)


def written(*found):
    return journal.VERSION + b"".join(encode(note) for note in found)


@given(st.lists(notes, max_size=6))
def test_what_is_written_is_read(found):
    assert list(decode(written(*found))) == found


@given(st.lists(notes, min_size=1, max_size=4), st.data())
def test_a_file_that_a_crash_tore_anywhere_holds_the_notes_before(found, data):
    whole = written(*found)
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    read = list(decode(torn))
    assert read == found[: len(read)]
    assert len(read) >= sum(len(written(*found[: count + 1])) <= len(torn) for count in range(len(found)))


@given(st.lists(notes, min_size=1, max_size=4), st.data())
def test_a_byte_that_changed_ends_what_is_read_and_harms_nothing_before(found, data):
    whole = bytearray(written(*found))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    read = list(decode(bytes(whole)))
    assert read == found[: len(read)]
    assert len(read) < len(found)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(octets):
    list(decode(octets))
    list(decode(journal.VERSION + octets))


def test_another_version_is_not_guessed_at():
    other = bytes([*journal.VERSION[:-1], journal.VERSION[-1] + 1])
    assert list(decode(other + encode(Taken(LEASE)))) == []


def test_what_the_peer_said_is_kept_to_a_length_and_the_dialogue_not_at_all():
    short = journal.bounded(settlement(UUID(int=2), detail="x" * 5000, dialogue="> RCPT"))
    assert len(encode(Outcome(LEASE, short))) < 3 * journal.MOST_REPLY
    assert short.attempt.dialogue == ""
    same = settlement(UUID(int=2))
    assert journal.bounded(same) is same


class Written(RuleBasedStateMachine):
    """Whatever is noted, settled or continued in a new file: of what is unsettled it says what was noted last."""

    rolls_at = journal.ROLLS_AT

    def __init__(self):
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "journal"
        self.journal = Journal(self.folder, worker=WORKER, rolls_at=self.rolls_at)
        self.known = {}
        self.ids = [UUID(int=number) for number in range(8)]
        for lease in "ab":
            self.take(lease)

    def take(self, lease):
        self.journal.taken(key(lease))
        self.known[key(lease)] = {}

    @rule(lease=st.sampled_from("ab"), picked=st.sets(st.integers(0, 7), min_size=1))
    def hand_over(self, lease, picked):
        ids = [self.ids[number] for number in sorted(picked)]
        self.journal.handing_over(key(lease), ids)
        self.known[key(lease)].update(dict.fromkeys(ids))

    @rule(lease=st.sampled_from("ab"), number=st.integers(0, 7), count=st.integers(1, 9))
    def note_outcome(self, lease, number, count):
        made = settlement(self.ids[number], attempt_count=count)
        self.journal.outcomes(key(lease), [made])
        self.known[key(lease)][made.id] = made

    @rule(lease=st.sampled_from("ab"), number=st.integers(0, 7))
    def give_back(self, lease, number):
        self.journal.back(key(lease), [self.ids[number]])
        self.known[key(lease)].pop(self.ids[number], None)

    @rule(lease=st.sampled_from("ab"), picked=st.sets(st.integers(0, 7)))
    def settle(self, lease, picked):
        ids = [self.ids[number] for number in picked]
        self.journal.settled(key(lease), ids)
        for delivery_id in ids:
            self.known[key(lease)].pop(delivery_id, None)

    @rule(lease=st.sampled_from("ab"))
    def release(self, lease):
        self.journal.released(key(lease))
        del self.known[key(lease)]
        self.take(lease)

    @invariant()
    def the_file_knows_what_is_unsettled(self):
        said = journal.testimony(self.folder, list(self.known))
        for lease, known in self.known.items():
            assert said[lease].items() >= known.items()

    @invariant()
    def one_file_of_bounded_size(self):
        (path,) = self.folder.iterdir()
        if not any(self.known.values()):
            assert [type(note) for note in decode(path.read_bytes())] in ([Taken] * 2, [Taken] * 3)

    def teardown(self):
        assert not self.journal.lost
        self.journal.close()
        self.temporary.cleanup()


def key(name):
    return UUID(int=ord(name))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


class Rolling(Written):
    rolls_at = 300


TestWritten, TestRolling = Written.TestCase, Rolling.TestCase
TestWritten.settings = TestRolling.settings = settings(max_examples=40, stateful_step_count=30)


def test_a_full_file_is_continued_with_what_is_unsettled(folder):
    kept = Journal(folder, worker=WORKER, rolls_at=400)
    kept.taken(LEASE)
    kept.handing_over(LEASE, [UUID(int=1)])
    for number in range(2, 50):
        kept.handing_over(LEASE, [UUID(int=number)])
        kept.outcomes(LEASE, [settlement(UUID(int=number))])
        kept.settled(LEASE, [UUID(int=number)])
    (path,) = folder.iterdir()
    assert path.stat().st_size < 800
    assert path.name != f"{WORKER.hex}.1"
    assert journal.testimony(folder, [LEASE])[LEASE][UUID(int=1)] is None
    with journal.left_behind(folder) as found:
        assert list(found) == []


def test_the_file_and_its_folder_are_the_owners_alone(folder):
    Journal(folder, worker=WORKER)
    (path,) = folder.iterdir()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, path)] == [0o700, 0o600]


def test_a_living_process_is_passed_over_and_a_dead_one_found_once(folder):
    kept = Journal(folder, worker=WORKER)
    kept.taken(LEASE)
    kept.handing_over(LEASE, [UUID(int=1), UUID(int=2)])
    kept.outcomes(LEASE, [settlement(UUID(int=2))])
    with journal.left_behind(folder) as found:
        assert list(found) == []
    kept.close()
    with journal.left_behind(folder) as found:
        (left,) = found
        assert (left.worker, left.testimony) == (
            WORKER,
            {LEASE: {UUID(int=1): None, UUID(int=2): settlement(UUID(int=2))}},
        )
        with journal.left_behind(folder) as again:
            assert list(again) == []
        left.remove()
    with journal.left_behind(folder) as found:
        assert list(found) == []
    assert list(folder.iterdir()) == []


def test_files_of_one_process_are_one_testimony(folder):
    """It was killed between beginning a new file and removing the old one."""
    for number, note in ((2, Outcome(LEASE, settlement(UUID(int=1)))), (1, HandedOver(LEASE, (UUID(int=1),)))):
        folder.mkdir(exist_ok=True)
        (folder / f"{WORKER.hex}.{number}").write_bytes(written(note))
    with journal.left_behind(folder) as found:
        (left,) = found
        assert left.testimony == {LEASE: {UUID(int=1): settlement(UUID(int=1))}}


def test_nothing_but_journals_is_looked_at(folder):
    folder.mkdir()
    (folder / "README").write_text("keep")
    (folder / f".{WORKER.hex}.1").write_text("")
    with journal.left_behind(folder) as found:
        assert list(found) == []


def test_what_is_settled_leaves_the_leases_alone_in_the_file(folder):
    kept = Journal(folder, worker=WORKER)
    kept.taken(LEASE)
    kept.handing_over(LEASE, [UUID(int=1)])
    kept.outcomes(LEASE, [settlement(UUID(int=1))])
    kept.settled(LEASE, [UUID(int=1)])
    (path,) = folder.iterdir()
    assert path.read_bytes() == written(Taken(LEASE))
    kept.released(LEASE)
    assert path.read_bytes() == journal.VERSION


@pytest.fixture
def full_disk(monkeypatch):
    """From the call on, half of each note is written."""

    def fill():
        def half(file, octets, at):
            return real(file, octets[: len(octets) // 2], at)

        monkeypatch.setattr(os, "pwrite", half)

    real = os.pwrite
    return fill


def test_a_note_that_could_not_be_written_ends_the_journal_and_not_the_process(folder, full_disk, caplog):
    kept = Journal(folder, worker=WORKER)
    kept.taken(LEASE)
    full_disk()
    kept.handing_over(LEASE, [UUID(int=1)])
    assert kept.lost
    assert list(folder.iterdir()) == []
    assert "journal.lost" in caplog.text
    kept.outcomes(LEASE, [settlement(UUID(int=1))])
    kept.settled(LEASE, [UUID(int=1)])
    kept.released(LEASE)
    kept.close()


def test_nothing_is_handed_over_that_a_journal_which_can_not_go_would_deny(folder, full_disk, monkeypatch):
    kept = Journal(folder, worker=WORKER)
    kept.taken(LEASE)
    full_disk()

    def read_only(*_args, **_named):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "unlink", read_only)
    for _ in range(2):
        with pytest.raises(Stuck):
            kept.handing_over(LEASE, [UUID(int=1)])
    with journal.left_behind(folder) as found:
        assert list(found) == []
    later = uuid4()
    kept.taken(later)
    kept.handing_over(later, [UUID(int=1)])
    assert later not in journal.testimony(folder, [later])


def test_without_a_folder_that_can_be_written_there_is_no_journal(folder, caplog):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file")
    kept = Journal(folder, worker=WORKER)
    assert kept.lost
    assert "journal.none" in caplog.text
    kept.taken(LEASE)
    kept.handing_over(LEASE, [UUID(int=1)])
    kept.released(LEASE)


def test_a_settlement_survives_as_it_was():
    made = Settlement(
        UUID(int=1), "due", 2, 3, AttemptRecord(NOW, 5, "deferred", next_try_at=NOW), due_at=NOW + timedelta(minutes=5)
    )
    assert fold(decode(written(Outcome(LEASE, made)))) == {LEASE: {made.id: made}}


_HOLDS_ONE = """
import sys
from pathlib import Path
from uuid import UUID
from dispatch.sending.journal import Journal
kept = Journal(Path(sys.argv[1]), worker=UUID(int=7))
kept.taken(UUID(int=1))
kept.handing_over(UUID(int=1), [UUID(int=5)])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def another_process(folder):
    """One that has handed something over."""
    command = [sys.executable, "-c", _HOLDS_ONE, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_process_that_was_stopped_is_not_dead_and_one_that_was_killed_is(folder, another_process):
    another_process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, another_process.pid, os.WSTOPPED)
    with journal.left_behind(folder) as found:
        assert list(found) == []
    assert journal.testimony(folder, [LEASE]) == {LEASE: {UUID(int=5): None}}
    another_process.kill()
    another_process.wait()
    with journal.left_behind(folder) as found:
        (left,) = found
        assert left.testimony == {LEASE: {UUID(int=5): None}}


def test_a_child_does_not_keep_its_parents_journal(folder):
    kept = Journal(folder, worker=WORKER)
    kept.taken(LEASE)
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        kept.disown()
        os.write(ready[1], b"!")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    kept.close()
    with journal.left_behind(folder) as found:
        assert [left.worker for left in found] == [WORKER]
    os.write(done[1], b"!")
    os.waitpid(child, 0)
    for end in (*ready, *done):
        os.close(end)
