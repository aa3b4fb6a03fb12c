"""Who am I: the key's name and scopes."""

from __future__ import annotations

from http import HTTPMethod

from django.http import HttpResponse
from msgspec import Struct

from api.kit import operation
from api.kit.operation import Call, Operation


class PingBody(Struct):
    name: str
    scopes: list[str]


def ping(call: Call) -> HttpResponse:
    return operation.answer(PingBody(call.caller.name, sorted(call.caller.scopes)))


OPERATIONS = (Operation(HTTPMethod.GET, "/ping", ping, "The key's name and scopes", answer=PingBody),)
