"""Signing in by NTLM (MS-SMTPNTLM); loaded when a server wants it, for pyspnego is large."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Generator

import spnego
import spnego.exceptions

from transports.smtp.config import Credentials

_LEVEL = "LM_COMPAT_LEVEL"
_level_lock = threading.Lock()


def answers(credentials: Credentials) -> Generator[bytes, bytes, None]:
    """Negotiate, then authenticate with the server's challenge. Raises ValueError for a challenge that is none."""
    try:
        context = _context(credentials)
        challenge = yield context.step() or b""
        if not challenge:
            raise ValueError("no challenge")
        yield context.step(challenge) or b""
    except (spnego.exceptions.SpnegoError, LookupError, struct.error) as error:  # by pyspnego's parser
        raise ValueError("the challenge can't be read") from error


def _context(credentials: Credentials) -> spnego.ContextProxy:
    """Pyspnego takes the NTLM version from the environment of the process when a context is made, so one at a time."""
    with _level_lock:
        before = os.environ.get(_LEVEL)
        os.environ[_LEVEL] = "1" if credentials.ntlm_v1 else "3"
        try:
            return spnego.client(
                credentials.username,
                credentials.password,
                protocol="ntlm",
                options=spnego.NegotiateOptions.use_ntlm,
            )
        finally:
            if before is None:
                del os.environ[_LEVEL]
            else:
                os.environ[_LEVEL] = before
