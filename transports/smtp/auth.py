"""Signing in to an SMTP server (RFC 4954): exactly one mechanism and one try, so a wrong password counts once."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator

from transports.net.guard import ConnectionFailed
from transports.smtp.config import Credentials, Mechanism
from transports.smtp.replies import Phase, Reply, judge
from transports.types import Deferred, Reason, ReasonCode, Scope

# A password over TLS is what servers support best; without TLS the ones that don't show it come first.
_ENCRYPTED = (Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5, Mechanism.NTLM)
_CLEAR = (Mechanism.CRAM_MD5, Mechanism.NTLM, Mechanism.PLAIN, Mechanism.LOGIN)
_MAX_CHALLENGES = 5
_MAX_LINE = 510  # RFC 5321 4.5.3.1.4 without its CRLF; RFC 4954 4: what makes it longer waits for the prompt
_HIDDEN = "***"

# What the client says, given the server's challenges; the first one is None where it waits to be prompted.
Dialogue = Generator[bytes | None, bytes, None]


def choose(credentials: Credentials, *, offered: frozenset[str], encrypted: bool) -> Mechanism:
    """The one mechanism to try; raises ConnectionFailed when the server offers none that fits."""
    if credentials.mechanism is not Mechanism.AUTO:
        wanted: tuple[Mechanism, ...] = (credentials.mechanism,)
    elif credentials.token:
        wanted = (Mechanism.XOAUTH2,)
    else:
        wanted = _ENCRYPTED if encrypted else _CLEAR
    for mechanism in wanted:
        if mechanism in offered:
            return mechanism
    found = ", ".join(sorted(offered)) or "none"
    detail = f"wanted {' or '.join(wanted)}, the server offers {found}"
    raise ConnectionFailed(Reason(ReasonCode.AUTH_NOT_OFFERED, Scope.SERVER, detail))


def authenticate(credentials: Credentials, *, mechanism: Mechanism, say: Callable[[str], Reply]) -> None:
    """Sign in; `say` sends one line and returns the reply. Raises ConnectionFailed when the server refuses."""
    dialogue = _DIALOGUES[mechanism](credentials)
    first = next(dialogue)
    opening = f"AUTH {mechanism}" if first is None else f"AUTH {mechanism} {_encode(first)}"
    if first is not None and len(opening) > _MAX_LINE:
        dialogue, opening = _prompted(first), f"AUTH {mechanism}"
        next(dialogue)
    said = [opening]
    reply = say(opening)
    for _ in range(_MAX_CHALLENGES):
        if reply.code != 334:
            break
        said.append(_encode(_answer(dialogue, challenge=reply)))
        reply = say(said[-1])
    if reply.success:
        return
    outcome = judge(_without_secrets(reply, credentials=credentials, said=said), phase=Phase.AUTH)
    if isinstance(outcome, Deferred):
        raise ConnectionFailed(outcome.reason)
    raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, "unexpected reply to AUTH", str(reply.code)))


def _prompted(first: bytes) -> Dialogue:
    yield None
    yield first


def _answer(dialogue: Dialogue, *, challenge: Reply) -> bytes:
    try:
        answer = dialogue.send(_decode(challenge.text))
    except StopIteration:
        return b""  # XOAUTH2 explains a refusal in a challenge, which an empty line answers
    except ValueError as error:
        detail = "the server's NTLM challenge can't be read"
        raise ConnectionFailed(Reason(ReasonCode.PROTOCOL_ERROR, Scope.SERVER, detail)) from error
    return answer or b""


def _encode(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""  # Exim and Exchange prompt with words: "334 NTLM supported"


def _plain(credentials: Credentials) -> Dialogue:
    """RFC 4616."""
    yield f"\0{credentials.username}\0{credentials.password}".encode()


def _login(credentials: Credentials) -> Dialogue:
    """draft-murchison-sasl-login: prompted for the user name, then for the password."""
    yield None
    yield credentials.username.encode()
    yield credentials.password.encode()


def _cram_md5(credentials: Credentials) -> Dialogue:
    """RFC 2195."""
    challenge = yield None
    digest = hmac.new(credentials.password.encode(), challenge, hashlib.md5).hexdigest()
    yield f"{credentials.username} {digest}".encode()


def _xoauth2(credentials: Credentials) -> Dialogue:
    """https://developers.google.com/gmail/imap/xoauth2-protocol, the same at Microsoft 365."""
    yield f"user={credentials.username}\x01auth=Bearer {credentials.token}\x01\x01".encode()


def _ntlm(credentials: Credentials) -> Dialogue:
    """MS-SMTPNTLM: prompted, then negotiate, challenge, authenticate."""
    from transports.smtp import ntlm  # noqa: PLC0415 - see there

    yield None
    yield from ntlm.answers(credentials)


_DIALOGUES: dict[Mechanism, Callable[[Credentials], Dialogue]] = {
    Mechanism.PLAIN: _plain,
    Mechanism.LOGIN: _login,
    Mechanism.CRAM_MD5: _cram_md5,
    Mechanism.XOAUTH2: _xoauth2,
    Mechanism.NTLM: _ntlm,
}


def _without_secrets(reply: Reply, *, credentials: Credentials, said: list[str]) -> Reply:
    """A server may repeat what it was sent."""
    text = reply.text
    for secret in (credentials.password, credentials.token, *(line.rpartition(" ")[2] for line in said)):
        if len(secret) > 3:
            text = text.replace(secret, _HIDDEN)
    return Reply(reply.code, text)
