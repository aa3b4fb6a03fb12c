"""The body of an event, its limits, and how it becomes what dispatch takes in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from api.kit import strict_json, texts
from api.kit.callers import ApiScope, Caller
from api.kit.operation import read
from api.kit.problems import unprocessable
from api.kit.strict_json import Parsed
from api.v1.bodies import DeviceFields, FilterBody, Identifier, Line, Moment, UserFields, filter_of, key_in, supplied
from devices.fields import DEVICE_KEYS, USER_KEYS
from dispatch.intake.accept import EventIn, Posted
from dispatch.intake.subjects import SubjectIn
from dispatch.rules import secret_values
from foundation.fingerprints import fingerprint
from templates_app.channels import ADDRESSED
from transports.types import ChannelKind

DEEPEST = 10
MOST_MEMBERS = 1_000
MOST_RECIPIENTS = 100
LONGEST_TEXT = 10_000

_DATA = (
    "Values for macros. Members named "
    f"{', '.join(sorted(secret_values.NAMES))}, at any depth, and for types that begin with `enrollment.` url too, are "
    "secret: stored encrypted, shown masked, and wiped when every delivery of the event is final."
)

Key = Identifier | UnsetType
Addresses = Annotated[list[Identifier], Meta(max_length=MOST_RECIPIENTS)]


class DeviceBody(DeviceFields, forbid_unknown_fields=True):
    """The device an event is about: its key is `id`, else `serial`, else `imei`."""

    id: Key = UNSET
    serial: Key = UNSET
    imei: Key = UNSET


class UserBody(UserFields, forbid_unknown_fields=True):
    """The user an event is about: the key is `id`, else `loginname`."""

    id: Key = UNSET
    loginname: Key = UNSET


class RecipientsBody(Struct, forbid_unknown_fields=True):
    """Further addresses, besides those of the template and, for `adhoc`, of whom it names: at most 100 together."""

    smtp: Addresses = []
    sms: Addresses = []


class EventBody(Struct, forbid_unknown_fields=True):
    """An event: `type` is required unless a `template` is named; with an `audience` it is a broadcast."""

    type: Annotated[str, Meta(max_length=64, pattern=texts.LINE)] = ""
    source: Line = ""
    occurred_at: Moment | None = None
    device: DeviceBody | None = None
    user: UserBody | None = None
    audience: FilterBody | None = None
    template: Line = ""
    channels: Annotated[list[ChannelKind], Meta(min_length=1)] | None = None
    recipients: RecipientsBody | None = None
    reasons: dict[str, list[str]] = {}
    data: Annotated[dict[str, Any], Meta(description=_DATA)] = {}
    expires_at: Moment | None = None


class EventItem(EventBody, forbid_unknown_fields=True):
    """An event of a batch."""

    idempotency_key: Annotated[str, Meta(pattern=texts.KEY)] | UnsetType = UNSET


def posted(
    given: Parsed, *, caller: Caller, now: datetime, idempotency_key: str = "", into: type[EventBody] = EventBody
) -> Posted:
    """The JSON value of an event, checked but for what only the database knows. Raises ProblemError."""
    tree = given.checked()
    body = read(tree, into=into)
    key = idempotency_key
    if isinstance(body, EventItem) and body.idempotency_key is not UNSET:
        key = body.idempotency_key
    if not body.type and not body.template:
        raise unprocessable("type", "required", "Give the type of the event, or a template.")
    if body.audience and (body.device or body.user):
        raise unprocessable("audience", "not_both", "Give an audience, or a device or user.")
    _check_values(body)
    event = EventIn(
        occurred_at=body.occurred_at or now,
        type=body.type,
        source=body.source,
        template=body.template,
        device=_subject(body.device, field="device", names=DEVICE_KEYS),
        user=_subject(body.user, field="user", names=USER_KEYS),
        audience=filter_of(body.audience, field="audience") if body.audience else None,
        channels=None if body.channels is None else frozenset(body.channels),
        recipients=_recipients(body.recipients),
        reasons=body.reasons,
        data=body.data,
        expires_at=body.expires_at,
        keep=ApiScope.DEVICES in caller.scopes,
        known_only=caller.key is not None and caller.key.known_recipients_only,
        within=caller.within,
    )
    return Posted(event, key, _hash(tree, type_code=body.type) if key else "")


def _hash(tree: Any, *, type_code: str) -> str:
    """What a repetition is known by; secrets take part by a hash of their own, so that nobody can find them by it."""
    if data := tree.get("data"):
        tree = {**tree, "data": secret_values.replaced(data, type_code=type_code, by=_hash_of_value)}
    return fingerprint(strict_json.canonical(tree))


def _hash_of_value(value: Any) -> str:
    return fingerprint(strict_json.canonical(value))


def _recipients(body: RecipientsBody | None) -> Mapping[ChannelKind, list[str]]:
    if body is None:
        return {}
    given: dict[ChannelKind, list[str]] = {kind: getattr(body, kind.value) for kind in ADDRESSED}
    if sum(map(len, given.values())) > MOST_RECIPIENTS:
        raise unprocessable("recipients", "too_many", f"An event has at most {MOST_RECIPIENTS} further recipients.")
    return {kind: addresses for kind, addresses in given.items() if addresses}


def _subject(body: DeviceBody | UserBody | None, *, field: str, names: tuple[str, ...]) -> SubjectIn | None:
    if body is None:
        return None
    given = supplied(body)
    for name in names:
        value = given.pop(name, "")
        if value:
            return SubjectIn(name, key_in(name, value, field=f"{field}.{name}"), given)
    raise unprocessable(field, "required", f"Give one of {', '.join(names)}.")


def _check_values(body: EventBody) -> None:
    members = _members(body.data, field="data", level=1) + _members(body.reasons, field="reasons", level=1)
    if members > MOST_MEMBERS:
        raise unprocessable("data", "too_many", f"data and reasons have at most {MOST_MEMBERS} members together.")


def _members(value: Any, *, field: str, level: int) -> int:
    """How many there are; raises ProblemError for too many levels or characters."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise unprocessable(field, "too_long", f"A text has at most {LONGEST_TEXT} characters.")
        return 0
    if not isinstance(value, (dict, list)):
        return 0
    if level > DEEPEST:
        raise unprocessable(field, "too_deep", f"At most {DEEPEST} levels.")
    found = len(value)
    for name, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(name, str) and len(name) > LONGEST_TEXT:
            raise unprocessable(field, "too_long", f"A name has at most {LONGEST_TEXT} characters.")
        if isinstance(member, (str, dict, list)):
            found += _members(member, field=f"{field}.{str(name)[:64]}", level=level + 1)
    return found
