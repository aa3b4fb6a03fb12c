"""Test Configuration of services that speak Nexmo's SMS API and nothing else of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.wire.nexmo import LONDON, LOOPBACK, SECRET, config, message, outcome
from transports.nexmo import testing
from transports.stages import Stage
from transports.types import ReasonCode, Rejected

TAKEN = {"message-count": "1", "messages": [{"status": "0", "message-id": "A1", "to": "447700900123"}]}


@contextmanager
def service(*, elsewhere: tuple[int, str], sms: tuple[int, str]) -> Iterator[str]:
    """One that answers `sms` to a message and `elsewhere` to all else: a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(*elsewhere)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*(sms if self.path == "/sms/json" else elsewhere))

        def _answer(self, status: int, body: str) -> None:
            octets = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if body.startswith("{") else "text/html")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def stages(url: str, **fields: str) -> list[Stage]:
    return list(testing.run(config(url, **fields), message=message(), to=LONDON, policy=LOOPBACK))


@pytest.mark.parametrize(
    "elsewhere",
    [
        (404, "<h1>Not Found</h1>"),
        (404, '{"error": "no such path"}'),
        (405, ""),
        (410, "gone"),
        (501, ""),
        (400, '{"message": "unknown action"}'),
        (200, '{"service": "sms"}'),
    ],
)
def test_a_service_without_pages_of_an_account_is_tested_by_its_message(elsewhere: tuple[int, str]) -> None:
    with service(elsewhere=elsewhere, sms=(200, json.dumps(TAKEN))) as url:
        found = stages(url, virtual_number="12015550123")
    assert [(stage.name, stage.ok) for stage in found] == [
        ("resolve", True),
        ("connect", True),
        ("credentials", True),
        ("number", True),
        ("accepted", True),
    ]
    assert all(stage.detail.startswith("can't be checked here: ") for stage in found[2:4])


def test_a_wrong_secret_then_shows_with_the_message() -> None:
    refused = {"messages": [{"status": "4", "error-text": f"Bad secret {SECRET}"}]}
    with service(elsewhere=(404, ""), sms=(200, json.dumps(refused))) as url:
        last = stages(url)[-1]
    assert (last.name, last.code) == ("accepted", ReasonCode.CREDENTIALS_REFUSED)
    assert SECRET not in repr(last)


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_of_the_account_that_is_refused_ends_the_test(status: int) -> None:
    body = json.dumps({"message": f"not with {SECRET}, Basic ZGVtbzpkZW1vLXNlY3JldA=="})
    with service(elsewhere=(status, body), sms=(200, json.dumps(TAKEN))) as url:
        last = stages(url)[-1]
    assert (last.name, last.ok) == ("credentials", False)
    assert "not with ***, Basic ***" in last.detail


@pytest.mark.parametrize("status", [400, 422])
def test_the_words_of_a_refusal_stand_in_test_and_outcome_without_secret_or_text(status: int) -> None:
    words = f"The sender is not registered (api_secret={SECRET}, text='a private text')"
    with service(elsewhere=(404, ""), sms=(status, json.dumps({"message": words}))) as url:
        refused = outcome(url, text="a private text")
        last = stages(url)[-1]
    assert isinstance(refused, Rejected)
    assert "The sender is not registered (api_secret=***, text='***')" in refused.reason.detail
    assert "The sender is not registered (api_secret=***" in last.detail
