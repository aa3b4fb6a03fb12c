"""Who started the quick start: the processes whose end is its own end, also where no signal tells of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from msgspec import Struct

_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"}


class Process(Struct, frozen=True):
    """A process, distinguished from a later one with the same id by the tick it started in."""

    pid: int
    started: int
    name: str
    parent: int

    def is_alive(self) -> bool:
        now = read(self.pid)
        return now is not None and now.started == self.started


def read(pid: int) -> Process | None:
    """The process of that id; None where it is gone, is a zombie, or the system has no /proc."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = line.partition("(")[2].rpartition(")")
    fields = rest.split()  # proc(5): state is field 3, ppid 4, starttime 22
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]), name, int(fields[1]))


def watched() -> list[Process]:
    """The recipe's shell, make, and the process that ran make; without the last where SIGHUP is ignored (nohup).

    Without make above us, only our own parent, and that not under nohup either. The system's first process is never
    among them.
    """
    detached = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    chain: list[Process] = []
    process = read(os.getppid())
    while process and process.pid > 1 and len(chain) < 3:
        chain.append(process)
        if "make" in process.name:
            starter = read(process.parent)
            return chain if detached or starter is None or starter.pid <= 1 else [*chain, starter]
        if process.name not in _SHELLS:
            break
        process = read(process.parent)
    return [] if detached else chain[:1]
