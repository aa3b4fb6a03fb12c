"""`python -m tests.flow.shifted FILE ARGS`: celery with ARGS, its wall clock as many seconds off as FILE says just now.

Every other clock is the machine's. (libfaketime would do, but makes Python's own sleep fail.) It looks at its
clocks and sweeps ten times as often as the product, so that nobody waits for it.
"""

import sys
from datetime import timedelta
from pathlib import Path

from celery.bin.celery import celery
from celery.signals import worker_init

from dispatch.rules.clock import SystemClock

_now = SystemClock.now


def main(file, *arguments):
    offset = Path(file)
    SystemClock.now = lambda self: _now(self) + timedelta(seconds=int(offset.read_text() or 0))

    @worker_init.connect(weak=False)
    def hurry(**_):
        from dispatch.upkeep import beat  # noqa: PLC0415 - Django is set up by now

        beat.LOOK_EVERY, beat.SWEEP_EVERY = 0.2, 0.5

    celery(list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
