"""The OpenAPI 3.1 document, made from the table of operations, and the page to read and try it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from api.kit import cloudevents
from api.kit.operation import CSV, JSON, NoQuery, Operation
from api.kit.problems import Problem

_REFERENCE = "#/components/schemas/{name}"
_TEXT = {"schema": {"type": "string"}}
_UUIDS = {"event_id", "delivery_id", "template_id", "test_id"}
_NUMBERS = {"gateway_id", "server_id"}
_DESCRIPTION = """Errors are problem details (RFC 9457) that name the field. Unknown fields are refused. Times are in
RFC 3339 with an offset. `202` means stored, not sent: follow `status_url`. Each key has a rate limit: beyond it, `429`
with `Retry-After`, and nothing of the request was taken. `503` with `Retry-After`: send the same again. An event has at
most 100 further recipients; a key may be kept to the addresses of known users and devices. Encoded bodies are `415`."""


def document(operations: Sequence[Operation], *, prefix: str) -> Callable[[HttpRequest], HttpResponse]:
    """The view that returns their description; `prefix` is where their paths begin."""
    encoded = cache(lambda: msgspec.json.encode(described(operations, prefix=prefix)))

    @require_safe
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(encoded(), content_type=JSON)

    return view


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Lists the operations and tries them with a key typed in; all it needs comes from this server."""
    return render(request, "api/docs.html")


def described(operations: Sequence[Operation], *, prefix: str) -> dict[str, Any]:
    """The document of these operations."""
    types = [Problem, *(each for operation in operations for each in _types(operation))]
    unique = list(dict.fromkeys(types))
    references, schemas = msgspec.json.schema_components(unique, ref_template=_REFERENCE, schema_hook=_choices)
    known = dict(zip(unique, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, known=known, schemas=schemas
        )
    queries = {operation.query.__name__ for operation in operations}
    return {
        "openapi": "3.1.0",
        "info": {"title": "xmnotify", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": prefix}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, xmn_..."},
                "webhook": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "Standard Webhooks, with webhook-id and webhook-timestamp",
                },
            },
        },
    }


def _choices(kind: type) -> dict[str, Any]:
    if issubclass(kind, TextChoices):
        return {"type": "string", "enum": kind.values}
    raise NotImplementedError


def _types(operation: Operation) -> list[Any]:
    return [each for each in (operation.body, operation.answer, operation.query) if each is not None]


def _operation(operation: Operation, *, known: Mapping[Any, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.view.__name__,
        "summary": operation.summary,
        "tags": [operation.path.split("/")[1]],
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(operation, schemas=schemas),
            *_headers(operation),
        ],
        "security": [{"key": []}, *([{"webhook": []}] if operation.signed else [])],
        "responses": _responses(operation, known=known),
    }
    if operation.scopes:
        found["description"] = f"Scope: {' or '.join(operation.scopes)}."
    if operation.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {
                kind: {"schema": cloudevents.SCHEMAS.get(kind, known[operation.body])}
                for kind in operation.content_types
            },
        }
    elif operation.streams:
        found["requestBody"] = {"required": True, "content": dict.fromkeys(operation.content_types, _TEXT)}
    return found


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]


def _path_schema(name: str) -> dict[str, Any]:
    if name in _UUIDS:
        return {"type": "string", "format": "uuid"}
    return {"type": "integer", "minimum": 1} if name in _NUMBERS else {"type": "string", "minLength": 1}


def _query_parameters(operation: Operation, *, schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    if operation.query is NoQuery:
        return []
    described_ = schemas[operation.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": described_.get("description", ""),
        }
        for name, schema in described_["properties"].items()
    ]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
        for name in operation.headers
    ]


def _responses(operation: Operation, *, known: Mapping[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.status.phrase}
    if operation.answer is not None:
        success["content"] = {JSON: {"schema": known[operation.answer]}}
    if operation.answers_csv:
        success["content"] = {CSV: _TEXT}
    problem = {"application/problem+json": {"schema": known[Problem]}}
    found = {str(operation.status.value): success}
    if operation.creates:
        found[str(HTTPStatus.CREATED.value)] = {**success, "description": HTTPStatus.CREATED.phrase}
    return {**found, "default": {"description": "A problem", "content": problem}}
