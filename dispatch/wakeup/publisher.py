"""Puts tasks into the broker's queues, through Celery's producer pool, and without keeping anybody waiting for long."""

from __future__ import annotations

import logging
import threading
import time

from amqp.exceptions import AMQPError
from celery import current_app
from kombu import Connection, pools
from kombu.exceptions import OperationalError

_PATIENCE = 1.0  # seconds that a broker which is there but does not answer may keep a request waiting
_PAUSE = 5.0  # seconds without a try after one failed, so that a dead broker does not slow every POST
TROUBLE = (OperationalError, OSError, AMQPError)
"""What a broker's trouble raises; kombu leaves what RabbitMQ refuses (403, 530) as it comes."""
_ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

logger = logging.getLogger(__name__)
_publishing = threading.Lock()
_paused_until = 0.0
failures = 0


def publish(task: str, *, queue: str, **named: int | str) -> bool:
    """Whether the broker took the task; a connection that was lost is made anew first."""
    global failures, _paused_until  # noqa: PLW0603 - of this process
    with _publishing:
        if time.monotonic() < _paused_until:
            return False
        try:
            _send(task, queue=queue, named=named)
        except TROUBLE as error:
            failures += 1
            _paused_until = time.monotonic() + _PAUSE
            logger.warning("publish.failed task=%s error=%s", task, type(error).__name__)
            return False
        return True


def _send(task: str, *, queue: str, named: dict[str, int | str]) -> None:
    with pools.producers[_connection()].acquire(block=True) as producer:
        current_app.send_task(
            task,
            kwargs=named,
            queue=queue,
            producer=producer,
            ignore_result=True,
            retry=True,
            retry_policy=_ONCE_MORE,
        )


def limit(connection: Connection) -> None:
    """Let no step on this connection take longer than a request may be kept waiting; before its first use."""
    options = dict(connection.transport_options or {}) | _ONCE_MORE | {"connect_retries_timeout": _PATIENCE}
    if connection.transport_cls in {"redis", "rediss"}:
        options |= dict.fromkeys(("socket_timeout", "socket_connect_timeout"), _PATIENCE)
    connection.transport_options = options


def _connection() -> Connection:
    """Where to publish, as a key of the pool; its connections give up sooner than those of the workers."""
    connection = current_app.connection_for_write()
    limit(connection)
    return connection
