"""Whether the broker takes our messages, known without having one to send: checked every few seconds on request."""

from __future__ import annotations

import threading
from enum import StrEnum
from time import monotonic as _monotonic

from amqp.exceptions import AccessRefused, NotAllowed
from celery import current_app
from django.utils.translation import gettext_lazy
from redis.exceptions import AuthenticationError, NoPermissionError

from dispatch.wakeup import publisher

_FRESH = 5.0  # seconds
_REFUSALS = (AccessRefused, NotAllowed, AuthenticationError, NoPermissionError)


class BrokerTrouble(StrEnum):
    AWAY = "away"
    REFUSED = "refused"


WORDS = {
    BrokerTrouble.AWAY: gettext_lazy(
        "The broker of XMNOTIFY_BROKER_URL can't be reached, so messages go out late. Start it, or fix the URL."
    ),
    BrokerTrouble.REFUSED: gettext_lazy(
        "The broker refuses the user, password or virtual host of XMNOTIFY_BROKER_URL, so messages wait. Fix it and "
        "start anew."
    ),
}


def look() -> BrokerTrouble | None:
    """What is the matter with it now; takes some seconds at most."""
    connection = current_app.connection_for_write()
    publisher.limit(connection)
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        connection.default_channel  # noqa: B018 - opening it is the question
    except publisher.TROUBLE as error:
        return BrokerTrouble.REFUSED if isinstance(error.__cause__ or error, _REFUSALS) else BrokerTrouble.AWAY
    finally:
        connection.release()
    return None


class Watch:
    """What was found last; a reader has it look anew where that is no longer fresh."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._found: BrokerTrouble | None = None
        self._at = -_FRESH

    def trouble(self, *, wait: float) -> BrokerTrouble | None:
        """Wait some seconds at most for what is being looked at."""
        with self._lock:
            if self._thread is None and _monotonic() - self._at >= _FRESH:
                self._thread = threading.Thread(target=self._look, name="broker-watch", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread:
            thread.join(wait)
        return self._found

    def _look(self) -> None:
        try:
            self._found = look()
        finally:
            self._at, self._thread = _monotonic(), None


_watch = Watch()


def trouble(*, wait: float = 0.3) -> BrokerTrouble | None:
    """What is the matter with the broker, as this process found some seconds ago at most; see `Watch`."""
    return _watch.trouble(wait=wait)
