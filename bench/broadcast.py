"""A broadcast to 100,000 users: planned in the database against `bulk_create`, and from its POST to the first mail."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import surroundings
from bench.surroundings import median_and_range
from tests import private_servers

_AT_ONCE = 10_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--targets", type=int, default=100_000)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options = parser.parse_args()
    binaries, redis = private_servers.postgres_binaries(), private_servers.redis_binary()
    with ExitStack() as stack:
        var = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmnotify-bench-")))
        surroundings.enter(var)
        if redis is None:
            raise SystemExit("A redis-server or valkey-server is needed.")
        os.environ["XMNOTIFY_BROKER_URL"] = stack.enter_context(private_servers.redis(redis))
        if options.database == "postgresql":
            if binaries is None:
                raise SystemExit("There is no PostgreSQL on this machine.")
            os.environ["DATABASE_URL"] = stack.enter_context(private_servers.postgres(binaries))
        ledger = var / "ledger"
        port = stack.enter_context(surroundings.simulator(ledger)).port
        measure(rounds=options.rounds, targets=options.targets, port=port, ledger=ledger, database=options.database)


def measure(*, rounds: int, targets: int, port: int, ledger: Path, database: str) -> None:
    """Prints seconds and ratios, the two ways in turn; then the seconds from POST to the sink's first mail."""
    import django  # noqa: PLC0415 - the settings are named by now

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    print(f"making {targets:,} devices with their users ...", flush=True)
    fill(targets, port=port)
    _plan(targets)
    fast, slow = [], []
    for _ in range(rounds):
        fast.append(_plan(targets))
        slow.append(_bulk_create(targets))
    ratios = [many / few for many, few in zip(slow, fast, strict=True)]
    print(f"broadcast to {targets:,} on {database}, seconds: {median_and_range(fast)}", flush=True)
    print(f"the same rows by bulk_create, seconds: {median_and_range(slow)}", flush=True)
    print(f"times as fast: {median_and_range(ratios)}; to reach at least 10", flush=True)
    with _worker():
        _first_mail(ledger)
        waits = [_first_mail(ledger) for _ in range(rounds)]
    print(f"POST to the first mail on {database}, seconds: {median_and_range(waits)}; to reach at most 0.1")


def fill(targets: int, *, port: int) -> None:
    """An active server at that port, a template, and so many users with a device each."""
    from django.db import connection  # noqa: PLC0415

    from devices.models import Device, Person  # noqa: PLC0415
    from foundation.audit import Actor  # noqa: PLC0415
    from servers.models import SmtpServer  # noqa: PLC0415
    from templates_app import edits  # noqa: PLC0415
    from templates_app.models import NotificationTemplate  # noqa: PLC0415
    from templates_app.texts.content import Channel, Content, Wording  # noqa: PLC0415
    from transports.types import ChannelKind  # noqa: PLC0415

    SmtpServer.objects.create(
        kind="smtp", name="Bench", active=True, host="127.0.0.1", port=port, from_email="a@bench.example"
    )
    text = Wording(subject="Closed", message="Dear ${user.displayname}, the office is closed.")
    mail = Channel(ChannelKind.SMTP, active=True, recipient="${user.mail}", wordings=(text,))
    edits.add(NotificationTemplate(name="Bench", type="adhoc"), Content((mail,)), actor=Actor("bench"))
    for start in range(0, targets, _AT_ONCE):
        people = Person.objects.bulk_create(
            Person(loginname=f"u{number}", mail=f"u{number}@example.com", displayname=f"User {number}")
            for number in range(start, min(start + _AT_ONCE, targets))
        )
        Device.objects.bulk_create(
            Device(serial=f"S{number}", person=person, platform="iOS") for number, person in enumerate(people, start)
        )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _announce() -> None:
    from django.utils import timezone  # noqa: PLC0415

    from dispatch.intake import accept  # noqa: PLC0415

    now = timezone.now()
    audience = {"all": [{"field": "platform", "op": "is", "value": "iOS"}]}
    accept.accept(accept.EventIn(occurred_at=now, template="Bench", audience=audience), origin="bench", now=now)


def _plan(targets: int) -> float:
    from dispatch.broadcasts import planning  # noqa: PLC0415
    from dispatch.models import Broadcast, Delivery  # noqa: PLC0415
    from dispatch.rules.clock import SystemClock  # noqa: PLC0415
    from dispatch.rules.states import BroadcastState  # noqa: PLC0415

    _announce()
    pk = Broadcast.objects.latest("created_at").pk
    before = time.perf_counter()
    while Broadcast.objects.filter(pk=pk, state=BroadcastState.PLANNING).exists():
        planning.plan(pk, clock=SystemClock(), stopping=lambda: False)
    took = time.perf_counter() - before
    assert Delivery.objects.count() == targets
    _empty()
    return took


def _bulk_create(targets: int) -> float:
    """What Django does: read the devices with their users, make a Delivery of each, store them 5,000 at a time."""
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    from devices.models import Device  # noqa: PLC0415
    from dispatch.models import Delivery, Event  # noqa: PLC0415
    from servers.models import Server  # noqa: PLC0415
    from templates_app.models import TemplateVersion  # noqa: PLC0415

    now, server = timezone.now(), Server.objects.get()
    version = TemplateVersion.objects.get(template__name="Bench")
    event = Event.objects.create(origin="bench", type="adhoc", occurred_at=now, received_at=now)
    before, last = time.perf_counter(), 0
    while rows := list(
        Device.objects.filter(pk__gt=last, platform="iOS").select_related("person").order_by("pk")[:5_000]
    ):
        last = rows[-1].pk
        Delivery.objects.bulk_create(
            Delivery(
                event=event,
                template_version=version,
                channel="smtp",
                server_kind="smtp",
                server=server,
                person=row.person,
                device=row,
                address_kind="mail",
                address=row.person.mail if row.person else "",
                address_name=row.person.displayname if row.person else "",
                priority=9,
                due_at=now,
                expires_at=now + timedelta(days=3),
                created_at=now,
            )
            for row in rows
        )
    took = time.perf_counter() - before
    assert Delivery.objects.count() == targets
    _empty()
    return took


def _empty() -> None:
    from django.db import connection  # noqa: PLC0415

    from dispatch.models import Delivery  # noqa: PLC0415

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE dispatch_delivery CASCADE")
        else:
            cursor.execute(f"DELETE FROM {Delivery._meta.db_table}")  # noqa: SLF001 - a name of ours


def _first_mail(ledger: Path) -> float:
    """Seconds until the sink has one; then what waits is thrown away."""
    from dispatch.models import Broadcast  # noqa: PLC0415
    from dispatch.rules.states import BroadcastState  # noqa: PLC0415

    seen = ledger.stat().st_size if ledger.exists() else 0
    before = time.perf_counter()
    _announce()
    while not ledger.exists() or ledger.stat().st_size == seen:
        time.sleep(0.001)
        if time.perf_counter() - before > 60:
            raise RuntimeError("no mail came")
    took = time.perf_counter() - before
    Broadcast.objects.update(state=BroadcastState.CANCELLED)
    _throw_away_what_waits()
    return took


def _throw_away_what_waits() -> None:
    from django.db import connection  # noqa: PLC0415

    from dispatch.models import Delivery  # noqa: PLC0415
    from foundation.sql import dialect  # noqa: PLC0415

    while Delivery.objects.filter(state__in=["due", "claimed"]).exists():
        waiting = f"SELECT id FROM dispatch_delivery WHERE state = 'due' {dialect.skip_locked()}"
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM dispatch_delivery WHERE id IN ({waiting})")
        time.sleep(0.1)


@contextmanager
def _worker() -> Iterator[None]:
    """A worker as the quick start runs it, ready when its canary has answered."""
    from dispatch.rules.clock import SystemClock  # noqa: PLC0415
    from dispatch.wakeup import liveness, wake_ups  # noqa: PLC0415

    command = [sys.executable, "-m", "celery", "-A", "xmnotify", "worker", "-Q", wake_ups.DRAIN_QUEUE, "-l", "ERROR"]
    with subprocess.Popen(command, cwd=surroundings.ROOT) as process:
        try:
            while liveness.silent((wake_ups.DRAIN_QUEUE,), clock=SystemClock()):
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
