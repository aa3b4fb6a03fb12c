"""`python -m tests.flow.dying FILE ARGS`: celery with ARGS, in which the thread that FILE names ends, as by a bug.

FILE is emptied when it does, so that it happens once. "beat" ends before its next look, "pulse" before its next pulse.
"""

import sys
from pathlib import Path

from celery.bin.celery import celery
from celery.signals import worker_init


def main(file, *arguments):
    named = Path(file)

    @worker_init.connect(weak=False)
    def make_mortal(**_):
        from dispatch.upkeep.beat import Sweeper  # noqa: PLC0415 - Django is set up by now
        from dispatch.wakeup import workers  # noqa: PLC0415

        Sweeper.look = _or_end("beat", Sweeper.look, named=named)
        workers._pulse = _or_end("pulse", workers._pulse, named=named)

    celery(list(arguments))


def _or_end(thread, step, *, named):
    def run(*given):
        if named.read_text() == thread:
            named.write_text("")
            raise SystemExit
        return step(*given)

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
