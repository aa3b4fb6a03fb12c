import os
import signal

import pytest

from xmnotify.quickstart import lineage
from xmnotify.quickstart.lineage import Process


def processes(*names):
    """A chain from our parent upwards, as ids 10, 11, ...; the last one's parent is process 1."""
    last = len(names) - 1
    return {
        10 + at: Process(10 + at, started=1, name=name, parent=1 if at == last else 11 + at)
        for at, name in enumerate(names)
    } | {1: Process(1, started=0, name="init", parent=0)}


@pytest.mark.parametrize(
    ("names", "nohup", "expected"),
    [
        (("sh", "make", "bash", "sshd"), False, ["sh", "make", "bash"]),
        (("sh", "make", "bash", "sshd"), True, ["sh", "make"]),
        (("make", "bash"), False, ["make", "bash"]),
        (("make", "bash"), True, ["make"]),
        (("make",), False, ["make"]),
        (("gmake", "fish"), False, ["gmake", "fish"]),
        (("bash", "sshd"), False, ["bash"]),
        (("bash", "sshd"), True, []),
        (("systemd",), False, ["systemd"]),
    ],
)
def test_who_is_watched(monkeypatch, names, nohup, expected):
    monkeypatch.setattr(os, "getppid", lambda: 10)
    monkeypatch.setattr(lineage, "read", processes(*names).get)
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN if nohup else signal.SIG_DFL)
    assert [process.name for process in lineage.watched()] == expected


def test_the_first_process_of_the_system_is_not_watched(monkeypatch):
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert lineage.watched() == []


def test_a_later_process_with_the_same_id_is_another_one():
    own = lineage.read(os.getpid())
    assert own.is_alive()
    assert own.parent == os.getppid()
    assert not Process(own.pid, started=own.started + 1, name=own.name, parent=own.parent).is_alive()
