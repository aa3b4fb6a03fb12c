"""Test Configuration: a test of a server runs in a thread of this process and writes each stage as a row."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct

from foundation import audit, retention
from foundation.retention import Kept
from foundation.sql.locks import hold
from servers import edits, kinds, queries
from servers.kind import MAY_TEST, PreparedTest
from servers.models import Server, ServerTest, ServerTestStage
from transports.stages import Stage
from transports.types import Message, Recipient

if TYPE_CHECKING:
    from django.contrib.auth.models import User

AT_ONCE = 4
A_MINUTE = 10
KEPT = timedelta(days=7)
_STEPS = len(ServerTestStage.Name)
_MINUTE = timedelta(minutes=1)
_slots = threading.BoundedSemaphore(AT_ONCE)
logger = logging.getLogger(__name__)


class RefusedTestError(Exception):
    """No test now: `code` is "busy" or "too_many", the text is for people, another try makes sense after `wait`."""

    def __init__(self, words: str, *, code: str, wait: timedelta) -> None:
        super().__init__(words)
        self.code = code
        self.wait = wait


class Asker(Struct, frozen=True):
    """Who asks for a test. `actor` is whose tests are counted, such as "user:3"; `user` None is for an API key."""

    actor: str
    name: str
    user: User | None = None
    address: str = ""

    @classmethod
    def of(cls, user: User, *, address: str = "") -> Asker:
        return cls(f"user:{user.pk}", user.get_username(), user, address)


class _Run(Struct, frozen=True):
    """What the thread needs; the secrets in it never leave memory."""

    test: ServerTest
    server: Server
    prepared: PreparedTest
    message: Message


def start(server: Server, *, to: str, asker: Asker, now: datetime) -> ServerTest:
    """Begin a test of `server` as it stands here, stored or not, with one real message to `to`.

    A silence is waited for a minute at most. What it found is noted with the server whose stored settings are, at its
    end, those that were tested.
    Raises PermissionDenied, ValidationError (by field), RefusedTestError.
    """
    if asker.user is not None and not asker.user.has_perm(MAY_TEST):
        raise PermissionDenied
    kind = kinds.of(server)
    recipient, prepared = kind.test_recipient(server, to=to), kind.prepare_test(server)
    if not _slots.acquire(blocking=False):
        message = _("%d tests are running already. Try again in a moment.") % AT_ONCE
        raise RefusedTestError(message, code="busy", wait=timedelta(seconds=5))
    try:
        reading = kind.reading(server, to)
        run = _begin(server, prepared=prepared, to=recipient, reading=reading, asker=asker, now=now)
        threading.Thread(target=_work, args=(run, recipient), daemon=True, name="server-test").start()
    except BaseException:
        _slots.release()
        raise
    return run.test


@transaction.atomic
def adopt(server: Server, *, actor: str) -> None:
    """Count the newest test of the server's very settings as its last, when `actor` made it before they were stored.

    One that still runs is counted when it ends, and none from before the server's last test or its trouble.
    """
    try:
        fingerprint = kinds.of(server).prepare_test(server).fingerprint
    except ValidationError:
        return
    server.refresh_from_db(fields=["last_test_at", "troubled_at", "stopped_at"])
    known = [at for at in (server.last_test_at, server.troubled_at, server.stopped_at) if at]
    same = ServerTest.objects.filter(Q(server=None) | Q(server=server.pk), actor=actor, fingerprint=fingerprint)
    test = same.order_by("-started_at").first()
    if test is None or any(test.started_at <= at for at in known):
        return
    ServerTest.objects.filter(pk=test.pk).update(server_id=server.pk)
    test.refresh_from_db()
    if test.finished_at:
        edits.tested(server.pk, passed=bool(test.passed), now=test.finished_at)


def register() -> None:
    """Old tests go with time too, where nobody begins another one."""
    retention.register(Kept("tests", lambda: KEPT.days, _remove))


def _remove(before: datetime) -> int:
    return ServerTest.objects.filter(started_at__lt=before).delete()[0]


def is_lost(test: ServerTest, *, now: datetime) -> bool:
    """Whether its process ended before the test did."""
    return test.finished_at is None and now > test.ends_by


@transaction.atomic
def _begin(server: Server, *, prepared: PreparedTest, to: Recipient, reading: str, asker: Asker, now: datetime) -> _Run:
    hold(f"server-test:{asker.actor}")
    ServerTest.objects.filter(started_at__lt=now - KEPT).delete()
    if ServerTest.objects.filter(actor=asker.actor, started_at__gt=now - _MINUTE).count() >= A_MINUTE:
        message = _("Only %d tests a minute. Wait a minute, then try again.") % A_MINUTE
        raise RefusedTestError(message, code="too_many", wait=_MINUTE)
    test = ServerTest.objects.create(
        server_id=server.pk,
        actor=asker.actor,
        to=to.address,
        reading=reading,
        fingerprint=prepared.fingerprint,
        started_at=now,
        ends_by=now + _STEPS * prepared.timeout + _MINUTE,
    )
    audit.record(
        audit.Actor(asker.name, asker.user, asker.address),
        action=audit.Action.TEST,
        instance=server,
        after={**prepared.shown, "to": to.address},
    )
    return _Run(test, server, prepared, _message(test, prepared=prepared, name=server.name, now=now))


def _stored(run: _Run) -> int | None:
    """The server whose stored settings are those that were tested by now, be it that they were saved meanwhile."""
    server_id = ServerTest.objects.values_list("server_id", flat=True).get(pk=run.test.pk)
    stored = queries.find(server_id) if server_id else None
    try:
        same = isinstance(stored, type(run.server)) and kinds.of(stored).prepare_test(stored) == run.prepared
    except ValidationError:
        return None
    return server_id if same else None


def _message(test: ServerTest, *, prepared: PreparedTest, name: str, now: datetime) -> Message:
    console = settings.XMNOTIFY_CONSOLE_NAME
    text = prepared.text % {"console": console, "name": name or prepared.endpoint}
    return Message(test.pk, prepared.subject % console, text, now)


def _work(run: _Run, to: Recipient) -> None:
    passed = False
    try:
        passed = _record(run, to)
    finally:
        try:
            _finish(run, passed=passed)
        finally:
            connection.close()
            _slots.release()


def _record(run: _Run, to: Recipient) -> bool:
    passed = False
    for number, stage in enumerate(run.prepared.run(run.message, to), start=1):
        ServerTestStage.objects.create(test=run.test, number=number, **_columns(stage))
        passed = stage.ok
    return passed


def _columns(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name.value,
        "ok": stage.ok,
        "duration_ms": round(stage.duration / timedelta(milliseconds=1)),
        "detail": _storable(stage.detail),
        "cause": stage.cause,
        "hint": stage.hint,
        "code": stage.code.value if stage.code else "",
    }


def _storable(words: str) -> str:
    """A peer's words without what a database does not take."""
    return words.replace("\0", "")


def _finish(run: _Run, *, passed: bool) -> None:
    now = timezone.now()
    ServerTest.objects.filter(pk=run.test.pk).update(finished_at=now, passed=passed)
    server_id = _stored(run)
    if server_id:
        edits.tested(server_id, passed=passed, now=now)
    logger.info("server.tested %s passed=%s", run.prepared.endpoint, passed)
