"""Starts parts as forked processes, restarts those that die, and ends all of them in order.

The supervisor itself stays single-threaded and opens no connection, so that it can fork at any time; what it has
imported is shared by all parts. Each part leads a session and process group of its own, whose id the guardian knows.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from xmnotify.quickstart import guardian, log_files
from xmnotify.quickstart.lineage import Process

_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_POLL_SECONDS = 1.0
_GRACE_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0


class Part(Struct, frozen=True):
    """One process: what it runs, and the file its output goes to (None: the terminal).

    A part that is not `kept` may end; the others are started again when they do.
    """

    name: str
    run: Callable[[], None]
    log: Path | None = None
    kept: bool = True


class _Child(Struct):
    part: Part
    pid: int
    started: float
    failures: int = 0


class Supervisor(Struct):
    """`say` prints a line for the person at the terminal. `watched` are those whose end ends everything."""

    say: Callable[[str], None]
    watched: list[Process]
    _children: dict[int, _Child] = field(default_factory=dict)
    _pauses: list[tuple[float, _Child]] = field(default_factory=list)
    _exits: dict[str, int] = field(default_factory=dict)
    _guardian: subprocess.Popen[bytes] | None = None
    _stop_signals: set[signal.Signals] = field(default_factory=_STOP_SIGNALS.copy)
    _asked: bool = False

    def open(self) -> None:
        """From here on signals to stop are heard in `events` only, and a guardian stands by."""
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup; a blocked signal would be heard all the same
            self._stop_signals.discard(signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._stop_signals | {signal.SIGCHLD})
        self._guard()

    def start(self, part: Part, *, failures: int = 0) -> None:
        gc.freeze()  # looking for garbage in what is shared would copy it
        pid = os.fork()
        if pid == 0:
            self._become(part)
        self._children[pid] = _Child(part, pid, time.monotonic(), failures)

    def run_until_ended(self, name: str, *, at_most: float = math.inf) -> int | None:
        """Supervise until that part ends, some seconds at most; its exit status, None if it has not ended."""
        until = time.monotonic() + at_most
        for _ in self.events():
            if name in self._exits:
                return self._exits.pop(name)
            if time.monotonic() > until:
                break
        return None

    def events(self) -> Iterator[None]:
        """Supervise; yields after each thing that happened, ends when everything is to stop."""
        while not self._asked:
            received = signal.sigtimedwait(self._stop_signals | {signal.SIGCHLD}, self._patience())
            gone = [process for process in self.watched if not process.is_alive()]
            if received and received.si_signo in self._stop_signals:
                self._asked = True
            elif gone:
                self.say(f"{gone[0].name} (process {gone[0].pid}), which started this, is gone.")
                self._asked = True
            else:
                self._reap()
                self._restart()
                self._rotate()
                yield

    def stop(self) -> None:
        """End all parts: asked first, killed after five seconds; the one started first, the broker, goes last."""
        self._pauses.clear()
        order = sorted(self._children.values(), key=lambda child: child.started)
        until = time.monotonic() + _GRACE_SECONDS
        self._end(order[1:], until=until)
        self._end(order[:1], until=until + 1)
        if self._guardian and self._guardian.stdin:
            self._guardian.stdin.close()
            self._guardian.wait()

    def _end(self, children: list[_Child], *, until: float) -> None:
        for child in children:
            _signal_group(child.pid, signal.SIGTERM)
        while any(child.pid in self._children for child in children) and time.monotonic() < until:
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
            self._collect()
        for child in children:
            _signal_group(child.pid, signal.SIGKILL)
            if self._children.pop(child.pid, None):
                os.waitpid(child.pid, 0)
            self._tell_guardian(f"-{child.pid}\n")

    def _guard(self) -> None:
        self._guardian = subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        for pid in self._children:
            self._tell_guardian(f"+{pid}\n")

    def _tell_guardian(self, line: str) -> None:
        assert self._guardian
        assert self._guardian.stdin
        try:
            os.write(self._guardian.stdin.fileno(), line.encode())
        except BrokenPipeError:
            return  # it died: _reap finds that and tells the next one everything

    def _become(self, part: Part) -> None:
        """The forked child. It enters itself with the guardian, so no moment is left in which nobody would end it."""
        status = 1
        try:
            os.setsid()
            self._tell_guardian(f"+{os.getpid()}\n")
            assert self._guardian
            assert self._guardian.stdin
            os.close(self._guardian.stdin.fileno())
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            _redirect(part.log)
            part.run()
            status = 0
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
            if isinstance(ending.code, str):
                print(ending.code, file=sys.stderr)  # noqa: T201 - as the interpreter itself does
        except BaseException:  # noqa: BLE001 - nothing may leave the fork but by the exit below
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _patience(self) -> float:
        if not self._pauses:
            return _POLL_SECONDS
        return min(_POLL_SECONDS, max(0.0, min(due for due, _ in self._pauses) - time.monotonic()))

    def _reap(self) -> None:
        for child, status in self._collect():
            self._exits[child.part.name] = status
            if child.part.kept:
                steady = time.monotonic() - child.started > _STEADY_SECONDS
                child.failures = 1 if steady else child.failures + 1
                pause = min(_LONGEST_PAUSE, 0.25 * 2**child.failures)
                self._pauses.append((time.monotonic() + pause, child))
                log = f"; see {child.part.log}" if child.part.log else ""
                self.say(f"{child.part.name} ended ({_in_words(status)}), starts again in {pause:g} s{log}")

    def _collect(self) -> Iterator[tuple[_Child, int]]:
        ended = []
        while pid_and_status := _next_ended():
            pid, status = pid_and_status
            if self._guardian and pid == self._guardian.pid:
                self._guardian.returncode = status
                self._guard()
            elif child := self._children.pop(pid, None):
                _signal_group(pid, signal.SIGKILL)  # whatever the part had started itself
                self._tell_guardian(f"-{pid}\n")
                ended.append((child, status))
        return iter(ended)

    def _rotate(self) -> None:
        for child in self._children.values():
            if child.part.log:
                log_files.rotate(child.part.log)

    def _restart(self) -> None:
        now = time.monotonic()
        due = [child for at, child in self._pauses if at <= now]
        self._pauses = [(at, child) for at, child in self._pauses if at > now]
        for child in due:
            self.start(child.part, failures=child.failures)


def _next_ended() -> tuple[int, int] | None:
    """Process id and exit status (negative: the signal) of an ended child, if there is one."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, os.waitstatus_to_exitcode(status)) if pid else None


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _redirect(log: Path | None) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if log:
        file = log_files.opened(log)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)


def _in_words(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
