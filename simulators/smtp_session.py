"""One connection of the simulated SMTP server (RFC 5321): says what a mail server says, or what was ordered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Callable

from msgspec import Struct, field

from simulators.faults import FaultBook, Step
from simulators.line import FaultyLine
from simulators.mailbox import Envelope, Inbox, Ledger, message_id_of

_PATH = re.compile(r"(?:FROM|TO):[ ]*<([^<>]*)>((?: [^ ]+)*) *", re.IGNORECASE)
_LONGEST_LINE = 16_384
_OK = b"250 2.0.0 OK\r\n"


class Profile(Struct, frozen=True):
    """What kind of server is played. `latency` seconds pass before anything it says arrives, as on a far relay.

    `users` maps names to passwords; with any, AUTH PLAIN and LOGIN are offered and MAIL needs one of them. With
    `anybody` these are offered as well, any name and password is good, and MAIL needs none.
    `size` is in bytes; `max_recipients` counts one transaction's, those above it get 452 4.5.3.
    """

    hostname: str = "mail.example.test"
    size: int = 35_882_577
    max_recipients: int = 1000
    pipelining: bool = True
    eight_bit: bool = True
    smtputf8: bool = True
    users: dict[str, str] = field(default_factory=dict)
    anybody: bool = False
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    latency: float = 0.0

    @property
    def signs_in(self) -> bool:
        """Whether AUTH is offered."""
        return self.anybody or bool(self.users)

    def steps(self) -> tuple[Step, ...]:
        """The moments that a session with this server can come to."""
        missing = {Step.AUTH: not self.signs_in, Step.STARTTLS: self.tls is None or self.implicit_tls}
        return tuple(step for step in Step if not missing.get(step))


class Shared(Struct, frozen=True):
    """What all sessions of one server have in common."""

    profile: Profile
    faults: FaultBook
    inbox: Inbox
    ledger: Ledger | None
    sessions: set[FaultyLine]


class Session(FaultyLine):
    """One client."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(faults=shared.faults, sessions=shared.sessions, latency=shared.profile.latency)
        self._shared, self._profile = shared, shared.profile
        self._encrypted = shared.profile.implicit_tls
        self._scanned = 0
        self._next_line: Callable[[bytes], None] = self._command
        self._in_body = self._greeted = False
        self._user = ""
        self._sender: str | None = None
        self._recipients: list[str] = []

    def _take(self) -> bool:
        return self._take_body() if self._in_body else self._take_line()

    def _take_line(self) -> bool:
        end = self._input.find(b"\r\n")
        if end < 0:
            if len(self._input) > _LONGEST_LINE:
                self._say(421, "4.3.0 Line too long")
                self._close()
            return False
        line = bytes(self._input[:end])
        del self._input[: end + 2]
        self._next_line(line)
        return True

    def _take_body(self) -> bool:
        if self._input.startswith(b".\r\n"):
            raw, end = b"", 3
        else:
            found = self._input.find(b"\r\n.\r\n", max(self._scanned - 4, 0))
            if found < 0:
                self._scanned = len(self._input)
                return False
            raw, end = bytes(self._input[: found + 2]), found + 5
        del self._input[:end]
        self._in_body, self._scanned = False, 0
        if b"\n." in raw or raw.startswith(b"."):
            raw = raw.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        self._at(Step.DOT, go_on=lambda: self._store(raw), over=self._reset, recipients=self._recipients)
        return True

    def _command(self, line: bytes) -> None:
        verb, _, rest = line.decode("utf-8", "replace").partition(" ")
        handler = self._verbs.get(verb.upper())
        if handler is None:
            self._say(500, "5.5.2 Command not recognised")
        else:
            handler(self, rest)

    def _greet(self) -> None:
        self._say(220, f"{self._profile.hostname} ESMTP simulator")

    def _ehlo(self, _name: str) -> None:
        self._at(Step.EHLO, go_on=self._offer)

    def _helo(self, _name: str) -> None:
        self._at(Step.EHLO, go_on=lambda: self._welcome([]))

    def _offer(self) -> None:
        profile = self._profile
        offers = {
            "PIPELINING": profile.pipelining,
            "8BITMIME": profile.eight_bit,
            "SMTPUTF8": profile.smtputf8,
            f"SIZE {profile.size}": True,
            "ENHANCEDSTATUSCODES": True,
            "STARTTLS": profile.tls is not None and not self._encrypted,
            "AUTH PLAIN LOGIN": profile.signs_in,
        }
        self._welcome([name for name, offered in offers.items() if offered])

    def _welcome(self, offers: list[str]) -> None:
        self._greeted = True
        self._reset()
        lines = [self._profile.hostname, *offers]
        dashes = ["-"] * (len(lines) - 1) + [" "]
        self._output.append("".join(f"250{dash}{line}\r\n" for dash, line in zip(dashes, lines, strict=True)).encode())

    def _starttls(self, _rest: str) -> None:
        if self._profile.tls is None or self._encrypted:
            self._say(502, "5.5.1 STARTTLS is not offered")
        else:
            self._at(Step.STARTTLS, go_on=self._secure)

    def _secure(self) -> None:
        self._say(220, "2.0.0 Go ahead")
        self._flush()
        self._input.clear()  # RFC 3207 4.2: nothing said in clear text counts afterwards
        self._busy, self._greeted = True, False
        task = asyncio.ensure_future(self._shake_hands())
        task.add_done_callback(self._secured)

    async def _shake_hands(self) -> asyncio.Transport | None:
        assert self._profile.tls
        assert self._transport
        loop = asyncio.get_running_loop()
        return await loop.start_tls(self._transport, self, self._profile.tls, server_side=True)

    def _secured(self, task: asyncio.Task[asyncio.Transport | None]) -> None:
        if task.cancelled() or task.exception() or not self._transport:
            self.end()
            self.connection_lost(None)  # asyncio does not tell of a line lost during the handshake
            return
        self._transport = task.result()
        self._encrypted, self._busy = True, False
        self._read()

    def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if not self._profile.signs_in or self._user:
            self._say(503, "5.5.1 AUTH is not expected now")
        elif mechanism.upper() not in {"PLAIN", "LOGIN"}:
            self._say(504, "5.5.4 Mechanism not known")
        else:
            plain = mechanism.upper() == "PLAIN"
            self._at(Step.AUTH, go_on=lambda: self._ask_secret(initial, plain=plain))

    def _ask_secret(self, initial: str, *, plain: bool) -> None:
        answer = self._take_plain if plain else self._take_login_name
        if initial:
            answer(initial.encode())
        else:
            self._say(334, "" if plain else "VXNlcm5hbWU6")
            self._next_line = answer

    def _take_plain(self, line: bytes) -> None:
        _, name, password = (_decoded(line) + "\0\0").split("\0")[:3]
        self._check(name, password=password)

    def _take_login_name(self, line: bytes) -> None:
        name = _decoded(line)
        self._say(334, "UGFzc3dvcmQ6")
        self._next_line = lambda secret: self._check(name, password=_decoded(secret))

    def _check(self, name: str, *, password: str) -> None:
        self._next_line = self._command
        if password and name and (self._profile.anybody or self._profile.users.get(name) == password):
            self._user = name
            self._say(235, "2.7.0 Signed in")
        else:
            self._say(535, "5.7.8 User name or password is wrong")

    def _mail(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if not self._greeted or self._sender is not None:
            self._say(503, "5.5.1 MAIL is not expected now")
        elif self._profile.users and not self._user:
            self._say(530, "5.7.0 Sign in first")
        elif not path or not rest.upper().startswith("FROM"):
            self._say(501, "5.5.4 Write MAIL FROM:<address>")
        else:
            self._at(Step.MAIL, go_on=lambda: self._take_sender(path[1], parameters=path[2].upper()))

    def _take_sender(self, sender: str, *, parameters: str) -> None:
        size = re.search(r" SIZE=(\d+)", parameters)
        if size and int(size[1]) > self._profile.size:
            self._say(552, "5.3.4 Message is too big")
        elif not sender.isascii() and not (self._profile.smtputf8 and " SMTPUTF8" in parameters):
            self._say(553, "5.6.7 Address needs SMTPUTF8")
        else:
            self._sender = sender
            self._output.append(_OK)

    def _rcpt(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if self._sender is None:
            self._say(503, "5.5.1 MAIL first")
        elif not path or not path[1] or not rest.upper().startswith("TO"):
            self._say(501, "5.1.3 Write RCPT TO:<address>")
        else:
            self._at(Step.RCPT, go_on=lambda: self._take_recipient(path[1]), recipients=(path[1],))

    def _take_recipient(self, recipient: str) -> None:
        if len(self._recipients) >= self._profile.max_recipients:
            self._say(452, "4.5.3 Too many recipients")
        else:
            self._recipients.append(recipient)
            self._output.append(_OK)

    def _data(self, _rest: str) -> None:
        if not self._recipients:
            self._say(503 if self._sender is None else 554, "5.5.1 No valid recipients")
        else:
            self._at(Step.DATA, go_on=self._ask_body, recipients=self._recipients)

    def _ask_body(self) -> None:
        self._say(354, "End with a dot on a line of its own")
        self._in_body = True
        self._at(Step.BODY, go_on=lambda: None, recipients=self._recipients)

    def _store(self, raw: bytes) -> None:
        if len(raw) > self._profile.size:
            self._say(552, "5.3.4 Message is too big")
        else:
            envelope = Envelope(self._sender or "", tuple(self._recipients), self._user, self._encrypted)
            message_id = message_id_of(raw)
            if self._shared.ledger:
                self._shared.ledger.add(message_id, recipients=envelope.recipients)
            mail = self._shared.inbox.add(envelope, raw=raw, message_id=message_id)
            said = f"2.0.0 Accepted as {mail.number}"
            self._at(Step.ACCEPTED, go_on=lambda: self._say(250, said), recipients=self._recipients)
        self._reset()

    def _rset(self, _rest: str) -> None:
        self._reset()
        self._output.append(_OK)

    def _noop(self, _rest: str) -> None:
        self._output.append(_OK)

    def _vrfy(self, _rest: str) -> None:
        self._say(252, "2.1.5 Send it and see")

    def _quit(self, _rest: str) -> None:
        self._say(221, "2.0.0 Bye")
        self._close()

    def _reset(self) -> None:
        self._sender, self._recipients = None, []

    _verbs: dict[str, Callable[[Session, str], None]] = {
        "EHLO": _ehlo,
        "HELO": _helo,
        "STARTTLS": _starttls,
        "AUTH": _auth,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _noop,
        "VRFY": _vrfy,
        "QUIT": _quit,
    }


def _decoded(line: bytes) -> str:
    try:
        return base64.b64decode(line, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""
