"""The inbox page: a small web server on loopback that shows what simulated servers took, and orders their faults."""

from __future__ import annotations

import threading
from collections.abc import Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from simulators import inbox_html, phone_html
from simulators.faults import Action, Fault, SmsStep, Step
from simulators.mailbox import Mail
from simulators.nexmo import NexmoSimulator
from simulators.smtp import SmtpSimulator

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
_LONGEST_FORM = 4096


class InboxPage:
    """Serves http://127.0.0.1:`port`/ from `start()` to `stop()`; port 0 takes a free one.

    Making one raises OSError when the port is taken. It looks every `look` seconds whether it is to stop.
    """

    def __init__(
        self, simulator: SmtpSimulator, *, nexmo: NexmoSimulator | None = None, port: int = 0, look: float = 0.1
    ) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.simulator, self._server.nexmo = simulator, nexmo
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(look,), name="inbox-page", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    simulator: SmtpSimulator
    nexmo: NexmoSimulator | None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "inbox"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        if not self._is_local():
            return
        path = urlsplit(self.path).path
        simulator = self.server.simulator
        if path == "/":
            self._page(inbox_html.mail_list(simulator.inbox.mails(), count=simulator.inbox.count))
        elif path == "/faults":
            self._page(self._faults())
        elif path == "/phone" and self.server.nexmo:
            self._page(phone_html.text_list(self.server.nexmo.phone.texts(), mails=simulator.inbox.mails()))
        elif path == "/style.css":
            self._answer(inbox_html.STYLE, kind="text/css")
        elif path.startswith("/mail/"):
            self._mail(*path.removeprefix("/mail/").split("/"))
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if not self._is_local():
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST_FORM:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
        try:
            self._order({name: values[0] for name, values in form.items()})
        except (KeyError, ValueError):
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY)
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/faults")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet: these lines would drown the supervisor's own."""

    def _faults(self) -> str:
        simulator, nexmo = self.server.simulator, self.server.nexmo
        standing = (*simulator.faults.standing(), *(nexmo.faults.standing() if nexmo else ()))
        more = phone_html.fault_forms(order=nexmo.receipts.order) if nexmo else ""
        named = inbox_html.ACTIONS | phone_html.ACTIONS
        return inbox_html.fault_form(
            standing, steps=simulator.steps, refusing=simulator.refusing, more=more, named=named
        )

    def _mail(self, number: str, part: str = "", *rest: str) -> None:
        mail = self.server.simulator.inbox.find(int(number)) if number.isdecimal() and len(number) < 12 else None
        if mail is None or rest:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._part(mail, part=part)

    def _part(self, mail: Mail, *, part: str) -> None:
        match part:
            case "":
                self._page(inbox_html.mail_page(mail))
            case "raw":
                self._answer(mail.raw.decode("utf-8", "replace"), kind="text/plain", policy=_MAIL_POLICY)
            case "html":
                self._answer(inbox_html.body(mail, kind="html"), kind="text/html", policy=_MAIL_POLICY)
            case _:
                self._refuse(HTTPStatus.NOT_FOUND)

    def _order(self, form: dict[str, str]) -> None:
        simulator, nexmo = self.server.simulator, self.server.nexmo
        match form["do"]:
            case "order":
                action = inbox_html.ACTIONS[form["action"]]
                simulator.faults.order(_fault(form, step=_among(simulator.steps, form["step"]), action=action))
            case "order-sms" if nexmo:
                action = phone_html.ACTIONS[form["sms_action"]]
                nexmo.faults.order(_fault(form, step=SmsStep(form["step"]), action=action))
            case "receipts" if nexmo:
                nexmo.receipts.order = phone_html.ORDERS[form["receipts"]]
            case "clear":
                simulator.faults.clear()
                simulator.accept()
                if nexmo:
                    nexmo.faults.clear()
            case "refuse":
                simulator.refuse()
            case "accept":
                simulator.accept()
            case "disconnect":
                simulator.disconnect()
            case unknown:
                raise ValueError(unknown)

    def _is_local(self) -> bool:
        """Whether our own page asks: a foreign site in the same browser, or one that rebinds its name, does not."""
        names = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        own = origin is None or urlsplit(origin).netloc in names
        if self.headers.get("Host") in names and own and (self.command == "GET" or site in {"same-origin", "none"}):
            return True
        self._refuse(HTTPStatus.FORBIDDEN)
        return False

    def _page(self, html: str) -> None:
        self._answer(html, kind="text/html")

    def _refuse(self, status: HTTPStatus) -> None:
        self._answer(inbox_html.problem(status.phrase), kind="text/html", status=status)

    def _answer(self, text: str, *, kind: str, policy: str = _PAGE_POLICY, status: HTTPStatus = HTTPStatus.OK) -> None:
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(payload)


def _among(steps: Collection[Step], name: str) -> Step:
    """Raises ValueError for a step that never comes."""
    if Step(name) not in steps:
        raise ValueError(name)
    return Step(name)


def _fault(form: dict[str, str], *, step: Step | SmsStep, action: Action) -> Fault:
    """Raises KeyError or ValueError where the form is not ours."""
    times = int(form.get("times") or 0)
    skip = int(form.get("skip") or 0)
    if times < 0 or skip < 0:
        raise ValueError(times, skip)
    return Fault(step, action, times=times or None, skip=skip, matching=form.get("matching", ""))
