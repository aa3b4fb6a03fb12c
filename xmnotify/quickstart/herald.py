"""Posts a sample event once the web answers, and shows live what becomes of it."""

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

from api.access import edits, keys
from api.kit.callers import ApiScope
from api.models import ApiKey
from foundation.audit import Actor
from simulators.mailbox import read_ledger
from xmnotify.quickstart import demo, lineage, prepare
from xmnotify.quickstart.listening import Listening
from xmnotify.quickstart.outside import MAIL_LEDGER, SMS_LEDGER

_KEY_NAME = "Quick start"
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.01


def first_messages(
    say: Callable[[str], None], *, web: Listening, smtp_port: int, sms_port: int, inbox_port: int, var: Path
) -> None:
    """Post, follow, and say where everything is; a mail or SMS that does not come in 30 s is said so, too.

    Nothing is posted where its mail would leave this machine, and no SMS where that would.
    """
    key = _api_key(var / "api_key")
    _wait_for_web(web)
    if demo.is_harmless(smtp_port=smtp_port):
        channels = ["smtp", "sms"] if demo.simulated_sms(sms_port=sms_port) else ["smtp"]
        _post(say, web=web, key=key, var=var, channels=channels)
    else:
        say("No sample event: the active mail server is not the simulated one, or the demo device is gone.")
    say("")
    say(f"  Console     {web.url}  (user {prepare.ADMINISTRATOR})")
    say(f"  API         {web.url}api/docs  (key in {var / 'api_key'})")
    say(f"  Inbox       http://127.0.0.1:{inbox_port}/  (the simulated mail server's; orders faults, too)")
    say(f"  Phone       http://127.0.0.1:{inbox_port}/phone  (every SMS, also those through a carrier)")
    say("  Stop        Ctrl-C")


def _post(say: Callable[[str], None], *, web: Listening, key: str, var: Path, channels: list[str]) -> None:
    event = _ask(web, "POST", "/api/v1/events", key=key, body=_sample(channels))
    began = time.monotonic()
    say(f"Sample event posted; deliveries planned: {event['deliveries']}, skipped: {event['skipped']}.")
    _follow(say, web=web, key=key, status_url=event["status_url"], var=var, began=began, awaited=set(channels))


def _follow(
    say: Callable[[str], None], *, web: Listening, key: str, status_url: str, var: Path, began: float, awaited: set[str]
) -> None:
    """Until all that is awaited has come, an SMS with its receipt."""

    def tell(line: str) -> None:
        say(f"  {(time.monotonic() - began) * 1000:6.0f} ms  {line}")

    shown = ""
    while awaited and time.monotonic() - began < _PATIENCE_SECONDS:
        ours = _ask(web, "GET", status_url, key=key)
        state = _states(ours)
        if state != shown:
            tell(state)
            shown = state
        if "smtp" in awaited and (to := _arrived(ours, read_ledger(var / MAIL_LEDGER))):
            tell(f"delivered: the mail to {to} is in the inbox")
            say(f"From the start to the first mail it took {_seconds_since_start():.1f} s, installation apart.")
            awaited.remove("smtp")
        if "sms" in awaited and ours["counts"]["delivered"]:
            to = _arrived(ours, read_ledger(var / SMS_LEDGER))
            tell(f"delivered: the SMS to +{to} is on the phone, says its receipt")
            awaited.remove("sms")
        time.sleep(_LOOK_SECONDS)
    for channel in sorted(awaited):
        what = {"smtp": "mail", "sms": "SMS with its receipt"}[channel]
        say(f"No {what} came within {_PATIENCE_SECONDS:g} s; see the files in {var / 'log'}.")


def _arrived(event: dict[str, Any], ledger: list[tuple[str, str]]) -> str:
    """Whom a message of the event reached; empty as long as it reached nobody."""
    ids = [row["id"] for row in event["deliveries"]]
    return next((to for message_id, to in ledger if any(each in message_id for each in ids)), "")


def _api_key(kept: Path) -> str:
    """The key of the quick start, kept in a file that only its owner can read; made anew when it is no longer good."""
    text = kept.read_text().strip() if kept.is_file() else ""
    if text and keys.check(text, now=timezone.now()):
        return text
    actor = Actor("quick start")
    for former in ApiKey.objects.filter(name=_KEY_NAME):
        edits.delete_key(former, actor=actor)
    text = edits.create_key(_KEY_NAME, scopes=(ApiScope.EVENTS, ApiScope.READ), actor=actor)
    kept.touch(mode=0o600)
    kept.write_text(text + "\n")
    return text


def _states(event: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in event["counts"].items() if number)
    return f"{event['state'].replace('_', ' ')}: {counts or 'nothing to send'}"


def _sample(channels: list[str]) -> dict[str, Any]:
    return {
        "type": "device.jailbroken",
        "source": "quick start",
        "device": {"serial": demo.sample_serial()},
        "channels": channels,
    }


def _wait_for_web(web: Listening) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            _request(web, "GET", "/healthz", headers={})
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _ask(web: Listening, method: str, path: str, *, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer's JSON; ends the process with the problem's words where it is no success."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    status, text = _request(web, method, path, headers=headers, body=body)
    if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise SystemExit(f"{method} {path} was answered with {status}: {text[:500]}")
    answer = json.loads(text)
    assert isinstance(answer, dict)
    return answer


def _request(
    web: Listening, method: str, path: str, *, headers: dict[str, str], body: dict[str, Any] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(web.host, web.port, timeout=10)
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
