"""CloudEvents 1.0 over HTTP (binary, structured, batch) as bodies of our events.

`type`, `source` and `time` are the event's own, `data` holds the other fields of the body, `id` and `source` together
are the idempotency key; `subject`, `dataschema` and extension attributes are taken and not used.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from api.kit import strict_json
from api.kit.problems import ProblemError, unprocessable
from api.kit.strict_json import Parsed

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_ATTRIBUTE = {"type": "string", "minLength": 1}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _ATTRIBUTE,
        "source": _ATTRIBUTE,
        "type": _ATTRIBUTE,
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "description": "the other fields of an event"},
    },
}
SCHEMAS: dict[str, Any] = {
    STRUCTURED: _SCHEMA,
    BATCH: {"type": "array", "minItems": 1, "maxItems": 1_000, "items": _SCHEMA},
}
_PREFIX = "ce-"
_VERSION = f"{_PREFIX}specversion"
_KNOWN = {"specversion", "id", "source", "type", "time", "subject", "dataschema", "datacontenttype"}
_EXTENSION = re.compile(r"[a-z0-9]{1,64}")
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.-]+\+)?json(?:;.*)?", re.IGNORECASE)
_TAKEN = {"type": "type", "source": "source", "occurred_at": "time"}


def is_binary(headers: Mapping[str, str]) -> bool:
    return _VERSION in headers


def has_attributes(headers: Mapping[str, str]) -> bool:
    """Whether any header is an attribute of a binary event."""
    return any(name.lower().startswith(_PREFIX) for name in headers)


def format_of(tree: Any) -> str:
    """The content type that a body without one would have: that of an event or a batch; empty for no CloudEvent."""
    if isinstance(tree, list):
        return BATCH
    return STRUCTURED if isinstance(tree, dict) and "specversion" in tree else ""


def read_binary(headers: Mapping[str, str], raw: bytes) -> tuple[Parsed, str]:
    """The body and the idempotency key; attributes are percent-encoded headers, the body is the data."""
    found = {name.lower()[3:]: value for name, value in headers.items() if name.lower().startswith(_PREFIX)}
    attributes = {name: _unquoted(name, value) for name, value in found.items()}
    strict_json.check(attributes)
    return _body(attributes, strict_json.parse(raw) if raw.strip() else Parsed({}, clean=True))


def read_structured(given: Parsed) -> tuple[Parsed, str]:
    """The body and the idempotency key of one event in the JSON format."""
    if not isinstance(given.tree, dict):
        raise unprocessable("body", "invalid", "A CloudEvent is an object.")
    envelope = given.checked()
    attributes = {name: value for name, value in envelope.items() if name not in {"data", "data_base64"}}
    if "data_base64" in envelope:
        if "data" in envelope:
            raise unprocessable("data_base64", "twice", "Give data or data_base64.")
        return _body(attributes, strict_json.parse(_decoded(envelope["data_base64"])))
    return _body(attributes, given.part(envelope.get("data", {})))


def _body(attributes: Mapping[str, Any], data: Parsed) -> tuple[Parsed, str]:
    _check_attributes(attributes)
    if not isinstance(data.tree, dict):
        raise unprocessable("data", "invalid", "The data is an object with the other fields of the event.")
    for name, attribute in _TAKEN.items():
        if name in data.tree:
            raise unprocessable(f"data.{name}", "twice", f"This is the attribute {attribute} of the CloudEvent.")
    own = {name: attributes[attribute] for name, attribute in _TAKEN.items() if attribute in attributes}
    return data.part({**data.tree, **own}), _key(attributes)


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if name not in _KNOWN and not _EXTENSION.fullmatch(name):
            raise unprocessable(name, "unknown_field", "A CloudEvent's attribute has lower-case letters and digits.")
        if name in _KNOWN and (not isinstance(value, str) or not value):
            raise unprocessable(name, "invalid", "This attribute is a text that is not empty.")
    for name in ("specversion", "id", "source", "type"):
        if name not in attributes:
            raise unprocessable(name, "required", f"A CloudEvent has the attribute {name}.")
    if attributes["specversion"] != "1.0":
        raise unprocessable("specversion", "unsupported", "CloudEvents 1.0 are taken.")
    if not _JSON_TYPE.fullmatch(attributes.get("datacontenttype", "application/json")):
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The data of an event is JSON.")


def _key(attributes: Mapping[str, Any]) -> str:
    named = strict_json.canonical([attributes["source"], attributes["id"]])
    return f"cloudevent:{sha256(named).hexdigest()}"


def _unquoted(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise unprocessable(name, "invalid", "This attribute is not UTF-8 in percent-encoding.") from None


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b"?"
    except (binascii.Error, ValueError):
        raise unprocessable("data_base64", "invalid", "This is not base64.") from None
