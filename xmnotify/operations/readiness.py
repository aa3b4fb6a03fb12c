"""What `/readyz` answers: 503 where this process can't store an event, and a line for whatever else is the matter."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from dispatch import broker_watch


def report(no_storing: str, *, everything: bool) -> tuple[HTTPStatus, str]:
    """Status and text; `no_storing` says why no event can be stored, and is empty where one can.

    With `everything` any trouble at all is 503, for whoever takes no event but watches.
    """
    if no_storing:
        return HTTPStatus.SERVICE_UNAVAILABLE, f"{no_storing}\n"
    degraded = [words for check in _CHECKS if (words := check())]
    if not degraded:
        return HTTPStatus.OK, "ok\n"
    status = HTTPStatus.SERVICE_UNAVAILABLE if everything else HTTPStatus.OK
    return status, "".join(f"degraded: {words}\n" for words in degraded)


def _broker() -> str:
    trouble = broker_watch.trouble()
    return str(broker_watch.WORDS[trouble]) if trouble else ""


_CHECKS: tuple[Callable[[], str], ...] = (_broker,)
