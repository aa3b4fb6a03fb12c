"""How long the server takes for the console's pages when the database is as full as they get."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import surroundings
from tests import private_servers

if TYPE_CHECKING:
    from django.test import Client

_FIGURES = ("p95 ms", "median ms", "queries", "KiB cold")
_ASSET = re.compile(r'(?:src|href)="/static/([^"]+)"')


@dataclass(frozen=True, slots=True)
class Seen:
    """One page: milliseconds of each request in order, the most queries, and its bytes with all it refers to."""

    times: list[float]
    queries: int
    weight: int


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=40, help="of each page")
    parser.add_argument("--many", type=int, default=1_000_000, help="deliveries; a tenth as many devices")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options = parser.parse_args()
    binaries = private_servers.postgres_binaries()
    with ExitStack() as stack:
        surroundings.enter(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmnotify-bench-"))))
        if options.database == "postgresql":
            if binaries is None:
                raise SystemExit("There is no PostgreSQL on this machine.")
            os.environ["DATABASE_URL"] = stack.enter_context(private_servers.postgres(binaries))
        measure(requests=options.requests, many=options.many, database=options.database)


def measure(*, requests: int, many: int, database: str) -> None:
    """Prints a line a page, the slowest first."""
    import django  # noqa: PLC0415 - the settings are named by now

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    call_command("seed", "--scale", "--deliveries", str(many), "--devices", str(many // 10))
    client, paths = _client(), list(_paths())
    seen = {path: Seen([], 0, 0) for path in paths}
    for _ in range(requests + 2):  # two rounds that are not timed: one warms caches, one counts queries
        for path in paths:
            seen[path] = _ask(client, path, before=seen[path])
    print(f"{many:,} deliveries and {many // 10:,} devices on {database}, {requests} requests a page")
    print("".join(f"{name:>11}" for name in _FIGURES), " page")
    for path, one in sorted(seen.items(), key=lambda item: -_p95(item[1])):
        line = f"{_p95(one):>11.0f}{statistics.median(one.times[2:]):>11.0f}{one.queries:>11}{one.weight / 1024:>11.0f}"
        print(line, "", path)
    print(f"slowest p95: {max(map(_p95, seen.values())):.0f} ms, to reach 150; ", end="")
    print(f"heaviest: {max(one.weight for one in seen.values()) / 1024:.0f} KiB, to reach 160")


def _client() -> Client:
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("bench"))
    return client


def _paths() -> Iterator[str]:
    """Every page of navigation and Settings, and the log with each of its filters, at its beginning and far back."""
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.urls import reverse  # noqa: PLC0415

    from console.kit import registry  # noqa: PLC0415
    from dispatch.models import Delivery  # noqa: PLC0415

    user = User.objects.get(username="bench")
    yield from (reverse(page.view) for page in registry.entries(user))
    yield from (reverse(tile.view) for tile in registry.tiles(user))
    rows = Delivery.objects.order_by("id")
    middle, failed = rows[rows.count() // 2], rows.filter(state="failed").first()
    assert failed
    assert middle.person
    assert middle.device
    log = reverse("delivery-log")
    yield f"{log}{failed.pk}/"
    for query in (
        f"after={middle.pk}",
        "state=failed",
        f"state=trouble&after={middle.pk}",
        "state=sent",
        "state=held&channel=smtp",
        "state=claimed",
        "channel=sms",
        f"template={middle.template_version.template_id if middle.template_version else ''}",
        f"server={middle.server_id}",
        f"event={middle.event_id}",
        f"recipient={middle.person.loginname}",
        f"recipient={middle.address}",
        f"recipient={middle.device.serial}",
        f"recipient=ser+{middle.person.pk}",
        f"recipient={middle.person.loginname[3:]}",
        f"recipient=0{middle.person.mobile[3:7]}+{middle.person.mobile[7:]}",
        "recipient=user",
        "recipient=nobody@example.com",
        "recipient=nobody",
        f"since={middle.created_at:%Y-%m-%d}&until={middle.created_at:%Y-%m-%d}",
    ):
        yield f"{log}?{query}"
    for query in (
        "after=50000",
        "sort=-access",
        "platform=iOS&status=out_of_compliance&ownership=byod",
        "inactive=8h",
        "group=Sales",
        "carrier=voda",
        "app=words",
        "push=stale",
        "property=ROOM&value=41",
        f"search={middle.device.serial}",
        "search=nobodylikethis",
    ):
        yield f"{reverse('devices')}?{query}"
    for query in ("after=50000", "group=Sales", f"search={middle.person.loginname}", "search=nobodylikethis"):
        yield f"{reverse('users')}?{query}"
    yield f"{reverse('audit')}?action=change&kind=auth.user"
    yield f"{reverse('audit')}?name=nothing+like+it"


def _ask(client: Client, path: str, *, before: Seen) -> Seen:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    if len(before.times) == 1:  # what is cached once is not counted
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(path)
        assert answer.status_code == 200, path
        return Seen([*before.times, 0.0], len(queries), _weight(answer.content))
    began = time.perf_counter()
    client.get(path)
    return Seen([*before.times, (time.perf_counter() - began) * 1000], before.queries, before.weight)


def _weight(page: bytes) -> int:
    """Bytes of the page and of the files it names, as a browser without them loads them, not compressed."""
    from django.conf import settings  # noqa: PLC0415

    root = Path(settings.STATIC_ROOT)
    assets: int = sum((root / name).stat().st_size for name in set(_ASSET.findall(page.decode())))
    return len(page) + assets


def _p95(one: Seen) -> float:
    ordered = sorted(one.times[2:])
    return ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)]


if __name__ == "__main__":
    main()
