"""Posts a sample event once the web answers, and tells live what becomes of it."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.utils import timezone

from api import keys
from api.models import ApiKey
from simulators.mailbox import read_ledger
from xmnotify import demo
from xmnotify.quickstart import lineage, prepare

_KEY_NAME = "Quick start"
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.01


def first_mail(say: Callable[[str], None], *, port: int, smtp_port: int, inbox_port: int, ledger: Path) -> None:
    """Post, follow, and say where everything is; a mail that does not come in 30 s is said so, too.

    Nothing is posted where its mail would leave this machine.
    """
    key = _api_key(ledger.parent / "api_key")
    _wait_for_web(port)
    if demo.is_harmless(smtp_port=smtp_port):
        _post(say, port=port, key=key, ledger=ledger)
    else:
        say("No sample event: the active mail server is not the simulated one, or the demo device is gone.")
    say("")
    say(f"  Console     http://127.0.0.1:{port}/  (user {prepare.ADMINISTRATOR})")
    say(f"  API         http://127.0.0.1:{port}/api/docs  (key in {ledger.parent / 'api_key'})")
    say(f"  Inbox       http://127.0.0.1:{inbox_port}/  (the simulated mail server's; orders faults, too)")
    say("  Stop        Ctrl-C")


def _post(say: Callable[[str], None], *, port: int, key: str, ledger: Path) -> None:
    event = _ask(port, "POST", "/api/v1/events", key=key, body=_sample())
    began = time.monotonic()
    say(f"Sample event posted; deliveries planned: {event['deliveries']}, skipped: {event['skipped']}.")
    _follow(say, port=port, key=key, status_url=event["status_url"], ledger=ledger, began=began)


def _follow(say: Callable[[str], None], *, port: int, key: str, status_url: str, ledger: Path, began: float) -> None:
    told = ""
    while time.monotonic() - began < _PATIENCE_SECONDS:
        ours, mails = _ask(port, "GET", status_url, key=key), read_ledger(ledger)
        arrived = [to for message_id, to in mails if any(row["id"] in message_id for row in ours["deliveries"])]
        state = _states(ours)
        if state != told:
            say(f"  {(time.monotonic() - began) * 1000:6.0f} ms  {state}")
            told = state
        if arrived:
            say(f"  {(time.monotonic() - began) * 1000:6.0f} ms  delivered: the mail to {arrived[0]} is in the inbox")
            say(f"From the command to the first mail it took {_seconds_since_start():.1f} s.")
            return
        time.sleep(_LOOK_SECONDS)
    say(f"No mail came within {_PATIENCE_SECONDS:g} s; see the files in {ledger.parent / 'log'}.")


def _api_key(kept: Path) -> str:
    """The key of the quick start, kept in a file that only its owner can read; made anew when it is no longer good."""
    text = kept.read_text().strip() if kept.is_file() else ""
    if text and keys.check(text, now=timezone.now()):
        return text
    ApiKey.objects.filter(name=_KEY_NAME).delete()
    text = keys.create(_KEY_NAME, scopes=(keys.ApiScope.EVENTS, keys.ApiScope.READ))
    kept.touch(mode=0o600)
    kept.write_text(text + "\n")
    return text


def _states(event: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in event["counts"].items() if number)
    return f"{event['state'].replace('_', ' ')}: {counts or 'nothing to send'}"


def _sample() -> dict[str, Any]:
    return {
        "type": "device.jailbroken",
        "source": "quick start",
        "device": {"serial": demo.sample_serial()},
        "channels": ["smtp"],
    }


def _wait_for_web(port: int) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            _request(port, "GET", "/healthz", headers={})
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _ask(port: int, method: str, path: str, *, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer's JSON; ends the process with the problem's words where it is no success."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    status, text = _request(port, method, path, headers=headers, body=body)
    if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise SystemExit(f"{method} {path} was answered with {status}: {text[:500]}")
    answer = json.loads(text)
    assert isinstance(answer, dict)
    return answer


def _request(
    port: int, method: str, path: str, *, headers: dict[str, str], body: dict[str, Any] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def _seconds_since_start() -> float:
    """Since the supervisor's process began (proc(5): in clock ticks since boot)."""
    process = lineage.read(os.getppid())
    assert process
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.started / os.sysconf("SC_CLK_TCK")
