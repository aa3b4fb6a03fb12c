"""The line to the broker: one connection that is kept, and messages that are made once.

Celery's `send_task` makes message, client and more anew for each task, which takes three times as long.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any
from uuid import uuid4

from celery import current_app
from kombu import Connection, Producer
from kombu.serialization import dumps
from kombu.transport import redis
from kombu.transport.base import StdChannel

_SECONDS = 1.0  # that a Redis which is there but does not answer may keep a request waiting


_REDIS = {"redis", "rediss"}


def limit(connection: Connection) -> None:
    """Let no step on this connection take longer than a request may be kept waiting."""
    if connection.transport_cls in {*_REDIS, _RedisTransport}:
        limits = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), _SECONDS)
        connection.transport_options = (connection.transport_options or {}) | limits


class Line:
    """Puts tasks into one queue; for one thread at a time."""

    def __init__(self, queue: str) -> None:
        self._connection = connection = current_app.connection_for_write()
        if connection.transport_cls in _REDIS:
            connection.transport_cls = _RedisTransport  # type: ignore[assignment]
        limit(connection)
        producer = Producer(connection, auto_declare=False)
        self._queue = current_app.amqp.queues[queue]
        self._undeclared = [self._queue]
        self._publish = connection.ensure(
            producer,
            producer.publish,
            max_retries=max(1, len(connection.alt)),
            interval_start=0,
            on_revive=self._declare,
        )

    def send(self, task: str, **named: int | str) -> None:
        """Raises OperationalError when the broker can't be reached; a connection that was lost is made anew first."""
        content_type, encoding, body, headers = _made(task, **named)
        task_id = str(uuid4())
        self._publish(
            body,
            content_type=content_type,
            content_encoding=encoding,
            headers=headers | {"id": task_id, "root_id": task_id},
            exchange="",
            routing_key=self._queue.name,
            declare=self._undeclared,
            correlation_id=task_id,
        )
        self._undeclared = []

    def close(self) -> None:
        """Give up the connection; the next task would make another one."""
        self._connection.release()

    def _declare(self, channel: StdChannel) -> None:
        self._queue(channel).declare()


@lru_cache(maxsize=64)
def _made(task: str, **named: int | str) -> tuple[str, str, str, dict[str, Any]]:
    """A task's message but for its id: content type, encoding, body and headers."""
    message = current_app.amqp.create_task_message("", task, kwargs=named, ignore_result=True)
    return *dumps(message.body, serializer="json"), message.headers


class _RedisChannel(redis.Channel):
    """Kombu makes a client of its pool for each message, which takes longer than to send it; one does."""

    @cached_property
    def _kept(self) -> Any:
        return super()._create_client()  # type: ignore[misc]

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        return super()._create_client(asynchronous=True) if asynchronous else self._kept  # type: ignore[misc]


class _RedisTransport(redis.Transport):
    Channel = _RedisChannel
