"""What the body of a refused HTTP request says, in words for people."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import requests

_MOST_OCTETS = 20_000
_DEEPEST = 6
# RFC 9457 (title, detail), RFC 6749 (error_description), and what SMS services use.
_NAMES = (
    "error-text",
    "error_text",
    "title",
    "detail",
    "message",
    "error_description",
    "error",
    "description",
    "reason",
)
_WITHIN = ("messages", "errors", "invalid_parameters", "invalid-params", "requestError", "serviceException")
_UNSHOWN = re.compile(r"<(script|style|head)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def refusal_words(answer: requests.Response) -> str:
    """The words of a body in JSON, HTML or plain text, not cleaned; "" where there are none."""
    text = answer.content[:_MOST_OCTETS].decode("utf-8", "replace")
    try:
        words = [*dict.fromkeys(_reported(json.loads(text), level=1))]
    except (ValueError, RecursionError):
        return " ".join(html.unescape(_TAG.sub(" ", _UNSHOWN.sub(" ", text))).split())
    return ": ".join(words)


def _reported(value: Any, *, level: int) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, list) and level <= _DEEPEST:
        for item in value:
            yield from _reported(item, level=level + 1)
    elif isinstance(value, dict) and level <= _DEEPEST:
        named = [name for name in (*_NAMES, *_WITHIN) if name in value]
        for name in named or value:
            yield from _reported(value[name], level=level + 1)
