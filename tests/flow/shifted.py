"""`python -m tests.flow.shifted FILE ARGS`: celery with ARGS, its wall clock as many seconds off as FILE says just now.

Every other clock is the machine's. (libfaketime would do, but makes Python's own sleep fail.)
"""

import sys
from datetime import timedelta
from pathlib import Path

from celery.bin.celery import celery

from dispatch.rules.clock import SystemClock

_now = SystemClock.now


def main(file, *arguments):
    offset = Path(file)
    SystemClock.now = lambda self: _now(self) + timedelta(seconds=int(offset.read_text() or 0))
    celery(list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
