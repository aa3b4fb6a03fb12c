"""Connections that say nothing are ended, and nothing else that the process has open is touched."""

import fcntl
import socket
import subprocess
import sys
from pathlib import Path

from xmnotify.web import silence

LOCKED = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def open_files():
    return [int(file.name) for file in Path("/proc/self/fd").iterdir()]


def test_only_connections_to_a_port_of_ours_are_ended_when_they_are_silent(monkeypatch):
    monkeypatch.setattr(silence, "FIRST_SECONDS", -1)
    with socket.create_server(("127.0.0.1", 0)) as ours:
        client = socket.create_connection(ours.getsockname())
        accepted, _ = ours.accept()
        with client, accepted:
            numbers = [number for number in open_files() if number != client.fileno()]
            silence.end_silent(numbers)
            client.settimeout(5)
            assert client.recv(1) == b""
            silence.end_silent([client.fileno()])  # not one that was accepted: a database's, say
            client.close()


def test_a_connection_that_has_said_something_may_be_silent_for_longer(monkeypatch):
    monkeypatch.setattr(silence, "FIRST_SECONDS", -1)
    with socket.create_server(("127.0.0.1", 0)) as ours, socket.create_connection(ours.getsockname()) as client:
        accepted, _ = ours.accept()
        with accepted:
            client.sendall(b"x" * 24)
            assert len(accepted.recv(24)) == 24
            silence.end_silent(open_files())
            accepted.sendall(b"still here")
            assert client.recv(10) == b"still here"


def test_the_locks_on_files_are_kept(tmp_path):
    """SQLite's are of this kind: any closed number of the file releases them all."""
    path = tmp_path / "database"
    path.write_text("x")
    with path.open("r+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        silence.end_silent(open_files())
        other = subprocess.run([sys.executable, "-c", LOCKED, path], capture_output=True, check=False)
        assert b"BlockingIOError" in other.stderr
