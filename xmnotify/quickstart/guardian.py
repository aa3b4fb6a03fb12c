"""Ends process groups once the supervisor is gone, however it went: `python -I -S guardian.py` beside it.

Standard input is a pipe that only the supervisor keeps open: a line `+123` enters group 123, `-123` takes it out, the
end of the input means the supervisor is dead. Standard library only, so that it is small and starts immediately.
"""

import os
import signal
import sys
import time

POLITE_SECONDS = 3.0


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    groups = set()
    for line in sys.stdin:
        group = int(line[1:])
        groups.add(group) if line[0] == "+" else groups.discard(group)
    until = time.monotonic() + POLITE_SECONDS
    alive = _signal_all(groups, signal.SIGTERM)
    while alive and time.monotonic() < until:
        time.sleep(0.05)
        alive = _signal_all(alive, 0)
    _signal_all(alive, signal.SIGKILL)


def _signal_all(groups: set[int], number: int) -> set[int]:
    """The groups that were still there."""
    there = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue
        there.add(group)
    return there


if __name__ == "__main__":
    main()
