"""Users: created, changed, read and removed."""

from __future__ import annotations

from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from msgspec import UNSET, Meta, Struct, UnsetType

from api.kit import operation, strict_json
from api.kit.callers import ApiScope
from api.kit.operation import BATCH_BYTES, Call, Operation
from api.v1 import pages
from api.v1.bodies import Line, UserFields, filter_in, key_in, supplied
from api.v1.records import MOST, Items, SavedAnswer, WarningBody, put, save_all, warnings_of
from devices import edits, selection
from devices.edits import Saved
from devices.models import Person, folded
from dispatch.outbox import removal
from servers.queries import country
from transports.addresses import invisible


class UserItem(UserFields, forbid_unknown_fields=True, kw_only=True):
    """A user of a batch."""

    loginname: str


class UsersBatch(Struct, forbid_unknown_fields=True):
    users: Annotated[list[UserItem], Meta(min_length=1, max_length=MOST)]


class _Batch(Struct, forbid_unknown_fields=True):
    users: Items


class UserDetail(Struct):
    id: UUID
    loginname: str
    username: str
    domainname: str
    displayname: str
    mail: str
    mobile: str
    language: str
    time_zone: str
    disabled: bool
    groups: list[str]
    devices: list[str]
    properties: dict[str, Any]
    updated_at: datetime
    warnings: list[WarningBody]


class UsersPage(Struct):
    users: list[UserDetail]
    next: str | None


class UsersQuery(Struct, forbid_unknown_fields=True):
    """`search` looks into names, mail and mobile, `filter` is the JSON of an audience; `after` begins after that id."""

    group: Line | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    search: Line | UnsetType = UNSET
    filter: str | UnsetType = UNSET
    after: UUID | UnsetType = UNSET
    limit: pages.Limit = pages.DEFAULT_LIMIT


def list_users(call: Call) -> HttpResponse:
    query: UsersQuery = call.query
    wanted = {"groups__name": query.group, "disabled": query.disabled, "uid__lt": query.after}
    rows = selection.people(filter_in(query.filter), scope=call.caller.within, now=call.now)
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not UNSET})
    if query.search is not UNSET:
        rows = rows.filter(selection.searched_users(query.search))
    found, last = pages.page(rows.prefetch_related("groups", "devices").order_by("-uid"), limit=query.limit)
    following = pages.next_page(call.request, last, key=lambda row: row.uid)
    return operation.answer(UsersPage([_detail(row, call=call) for row in found], following))


def show_user(call: Call, loginname: str) -> HttpResponse:
    return operation.answer(_detail(_find(call, loginname), call=call))


def put_user(call: Call, loginname: str) -> HttpResponse:
    strict_json.check({"loginname": loginname})
    loginname = key_in("loginname", loginname, field="loginname")
    given = supplied(call.body)
    return put(
        save=lambda: edits.save_user(
            "loginname", loginname, given, scope=call.caller.within, country=country(), actor=call.actor
        ),
        answer=lambda kept: _detail(kept.row, call=call, warnings=warnings_of(kept.warnings)),
    )


def delete_user(call: Call, loginname: str) -> HttpResponse:
    removal.of_person(_find(call, loginname), actor=call.actor, now=call.now)
    return operation.nothing()


def put_users(call: Call) -> HttpResponse:
    batch = operation.read(strict_json.parse(call.raw).tree, into=_Batch)
    where = country()

    def save(item: Any) -> Saved[Person]:
        given = supplied(operation.read(item, into=UserItem))
        return edits.save_user("loginname", given.pop("loginname"), given, scope=call.caller.within, country=where)

    return save_all(call, batch.users, model=Person, save=save)


def _find(call: Call, loginname: str) -> Person:
    strict_json.check({"loginname": loginname})
    rows = Person.objects.within(call.caller.within)
    row = rows.filter(loginname__lower=folded(invisible.trimmed(loginname))).first()
    if row is None:
        raise operation.not_found("user")
    return row


def _detail(row: Person, *, call: Call, warnings: list[WarningBody] | None = None) -> UserDetail:
    names = ("loginname", "username", "domainname", "displayname", "mail", "mobile", "language", "time_zone")
    return UserDetail(
        id=row.uid,
        **{name: getattr(row, name) for name in (*names, "disabled", "properties", "updated_at")},
        groups=sorted(group.name for group in row.groups.all() if call.caller.within.covers(frozenset({group.pk}))),
        devices=sorted(device.serial or device.imei for device in row.devices.all()),
        warnings=warnings or [],
    )


_WRITERS, _READERS = (ApiScope.DEVICES,), (ApiScope.READ, ApiScope.DEVICES)
OPERATIONS = (
    Operation(
        HTTPMethod.GET,
        "/users",
        list_users,
        "List users, the newest first",
        answer=UsersPage,
        scopes=_READERS,
        query=UsersQuery,
    ),
    Operation(
        HTTPMethod.POST,
        "/users/batch",
        put_users,
        "Create or change up to 1,000 users",
        answer=SavedAnswer,
        scopes=_WRITERS,
        body=UsersBatch,
        most_bytes=BATCH_BYTES,
        reads_raw=True,
    ),
    Operation(HTTPMethod.GET, "/users/{loginname}", show_user, "One user", answer=UserDetail, scopes=_READERS),
    Operation(
        HTTPMethod.PUT,
        "/users/{loginname}",
        put_user,
        "Create or change a user: named fields are set, absent ones stay, null clears",
        answer=UserDetail,
        scopes=_WRITERS,
        body=UserFields,
        creates=True,
    ),
    Operation(
        HTTPMethod.DELETE,
        "/users/{loginname}",
        delete_user,
        "Remove a user: what waits is cancelled, and no copy stays in texts, payloads or audit entries",
        scopes=_WRITERS,
        status=HTTPStatus.NO_CONTENT,
    ),
)
