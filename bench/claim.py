"""What a claim costs when a million deliveries wait and a million are finished, against a thousand that wait."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from bench import surroundings
from tests import private_servers

FEW = 1_000
BATCH = 50


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options = parser.parse_args()
    binaries = private_servers.postgres_binaries()
    with ExitStack() as stack:
        surroundings.enter(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmnotify-bench-"))))
        if options.database == "postgresql":
            if binaries is None:
                raise SystemExit("There is no PostgreSQL on this machine.")
            os.environ["DATABASE_URL"] = stack.enter_context(private_servers.postgres(binaries))
        measure(rounds=options.rounds, many=options.many, database=options.database)


def measure(*, rounds: int, many: int, database: str) -> None:
    """Prints the milliseconds of a claim of 50 in both states of the table, rounds alternating over batches."""
    import django  # noqa: PLC0415 - the settings are named by now

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    server_id = _server()
    _fill(server_id, count=FEW, state="due")
    few = _claims(server_id, rounds=rounds)
    print(f"filling the table with {many:,} waiting and {many:,} finished deliveries ...", flush=True)
    _fill(server_id, count=many, state="due")
    _fill(server_id, count=many, state="sent")
    lots = _claims(server_id, rounds=rounds)
    ratios = [after / before for after, before in zip(lots, few, strict=True)]
    print(f"claim of {BATCH} on {database}, {FEW:,} waiting, ms: {surroundings.median_and_range(few)}")
    print(f"claim of {BATCH}, {many:,} waiting and as many finished, ms: {surroundings.median_and_range(lots)}")
    print(f"against {FEW:,} waiting: {surroundings.median_and_range(ratios)}; to reach at most 1.3")


def _server() -> int:
    from servers.models import SmtpServer  # noqa: PLC0415

    made = SmtpServer.objects.create(kind="smtp", name="Bench", active=True, host="127.0.0.1", from_email="a@b.example")
    return int(made.pk)


def _claims(server_id: int, *, rounds: int) -> list[float]:
    """The median of 8 claims in each round; what was claimed is given back."""
    from dispatch.outbox import deliveries  # noqa: PLC0415

    medians = []
    for _ in range(rounds):
        times = []
        for _ in range(8):
            now, lease = datetime.now(UTC), uuid4()
            before = time.perf_counter()
            claims = deliveries.claim_due(
                server_id, most=BATCH, lease=lease, lease_until=now + timedelta(minutes=2), now=now
            )
            times.append((time.perf_counter() - before) * 1000)
            assert len(claims) == BATCH
            deliveries.give_back([claim.id for claim in claims], lease=lease)
        medians.append(statistics.median(times))
    return medians


def _fill(server_id: int, *, count: int, state: str) -> None:
    """Rows of one event, made in the database itself."""
    from django.db import connection  # noqa: PLC0415

    from dispatch.models import Event  # noqa: PLC0415

    now = datetime.now(UTC)
    event = Event.objects.create(origin="bench", type="bench", occurred_at=now, received_at=now)
    sent = now if state == "sent" else None
    if connection.vendor == "postgresql":
        new_id, numbers = "gen_random_uuid()", "generate_series(1, %s) AS numbers(n)"
    else:
        new_id = "lower(hex(randomblob(16)))"
        numbers = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %s) SELECT n FROM c)"
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO dispatch_delivery (id, event_id, channel, server_kind, server_id, address_kind, address,
                address_name, language, time_zone, priority, state, due_at, expires_at, created_at, sent_at, tries,
                attempt_count, lapsed, hold_unknown, reason_code, reason_detail, provider_id)
            SELECT {new_id}, %s, 'smtp', 'smtp', %s, 'mail', 'u' || n || '@example.com', '', '', '', 5, %s, %s, %s, %s,
                %s, 0, 0, %s, %s, '', '', '' FROM {numbers}""",
            [
                event.pk.hex,
                server_id,
                state,
                adapt(now),
                adapt(now + timedelta(days=3)),
                adapt(now),
                adapt(sent),
                False,
                False,
                count,
            ],
        )
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE dispatch_delivery")


if __name__ == "__main__":
    main()
