"""The bodies of servers: what each kind is set to, from the table of kinds; what is known of them; how a test went."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Literal
from uuid import UUID

from django.db import models
from msgspec import UNSET, Struct, UnsetType, defstruct, structs

from api.v1.bodies import Flag, Text
from servers.kind import Kind
from servers.kinds import KINDS
from servers.models import Server

Number = int | None | UnsetType


def fields_of(kind: Kind[Any]) -> type[Struct]:
    """The fields of one kind of server, as its form has them."""
    fields = {name: _type(kind.model, name) for name in (*kind.form.main, *kind.form.advanced)}
    return _body(f"{_name(kind)}Fields", fields, doc=f"What a server of this kind is set to: {kind.label}.")


def _new(kind: Kind[Any]) -> type[Struct]:
    doc, tag = f"A new one: {kind.label}. Null gives a field's default. {kind.note}", kind.value.value
    return _body(f"New{_name(kind)}", {}, doc=doc, bases=(FIELDS[kind.value],), tag_field="kind", tag=tag)


def _name(kind: Kind[Any]) -> str:
    return kind.address.title().replace("-", "")


def _body(name: str, fields: Mapping[str, Any], *, doc: str, **options: Any) -> type[Struct]:
    """A struct of these fields, none of which has to be named."""
    members, namespace = [(field, type_, UNSET) for field, type_ in fields.items()], {"__doc__": doc}
    return defstruct(name, members, namespace=namespace, module=__name__, forbid_unknown_fields=True, **options)


def _type(model: type[Server], name: str) -> Any:
    column = model._meta.get_field(name)  # noqa: SLF001 - Django's documented name for it
    if choices := getattr(column, "choices", None):
        return Literal[tuple(value for value, _words in choices)] | UnsetType | None
    match column:
        case models.BooleanField():
            return Flag
        case models.IntegerField():
            return Number
        case models.FloatField():
            return float | None | UnsetType
        case _:
            return Text


FIELDS = {kind.value: fields_of(kind) for kind in KINDS.values()}
NewServer = reduce(or_, (_new(kind) for kind in KINDS.values()))
ServerFields = _body(
    "ServerFields",
    {
        **{field.name: field.type for fields in FIELDS.values() for field in structs.fields(fields)},
        "revision": int | UnsetType,
    },
    doc="The fields of the server's kind; those of another kind are refused. Named ones are set, absent ones stay, "
    "null gives the default or clears a secret. With `revision`, the one that was read, nobody else's change since "
    "then is overwritten; without it these fields are set whatever others changed meanwhile.",
)


class LearnedBody(Struct):
    """What the server was seen to do, until it is forgotten after 7 days or by hand: `session_limit` messages on one
    connection, no pipelining although it offers it; null where nothing was seen. The replies are its own words.
    """

    session_limit: int | None
    session_limit_at: datetime | None
    session_limit_reply: str
    unpipelined_at: datetime | None
    unpipelined_reply: str


class ServerSummary(Struct):
    """`settings` are the fields of the server's kind; of a secret it tells whether it is set.

    The scope `admin` sees `receipt_address` of an SMS gateway too. Times are null if never.
    """

    id: int
    kind: str
    name: str
    description: str
    active: bool
    revision: int
    last_test_at: datetime | None
    last_test_passed: bool | None
    paused_until: datetime | None
    stopped_at: datetime | None
    trouble_code: str
    trouble_detail: str
    learned: LearnedBody
    settings: dict[str, str | int | float | bool] | None
    warnings: dict[str, str]


class ServersBody(Struct):
    servers: list[ServerSummary]


class TestBody(Struct, forbid_unknown_fields=True):
    """Where the one real test message goes: a mail address, a phone number for an SMS gateway, a push token for APNs;
    for FCM the push token with which the message is checked and not sent.
    """

    to: str


class StageBody(Struct):
    name: str
    ok: bool
    duration_ms: int
    detail: str
    cause: str
    hint: str
    code: str


class TestDetail(Struct):
    """`passed` is null until it ended; read it again until then. `reading` says how a number without its country's code
    was read as `to`; empty for what names it.
    """

    id: UUID
    to: str
    reading: str
    started_at: datetime
    finished_at: datetime | None
    passed: bool | None
    stages: list[StageBody]
