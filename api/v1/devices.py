"""Devices: created, changed, read and removed."""

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
from api.kit.problems import unprocessable
from api.v1 import pages
from api.v1.bodies import DeviceFields, Line, filter_in, key_in, supplied
from api.v1.records import MOST, Items, SavedAnswer, WarningBody, put, save_all, warnings_of
from devices import edits, selection
from devices.edits import Saved
from devices.models import Device, folded, keyed
from servers.queries import country
from transports.addresses import invisible


class DevicePut(DeviceFields, forbid_unknown_fields=True):
    """The fields to set; the serial number is in the address."""

    imei: str | UnsetType | None = UNSET


class DeviceItem(DevicePut, forbid_unknown_fields=True):
    """A device of a batch: its key is the serial number, else the IMEI."""

    serial: str | UnsetType = UNSET


class DevicesBatch(Struct, forbid_unknown_fields=True):
    devices: Annotated[list[DeviceItem], Meta(min_length=1, max_length=MOST)]


class _Batch(Struct, forbid_unknown_fields=True):
    devices: Items


class TokenBody(Struct):
    """A push token without its words; `dead_at` is when the push service said that it is gone."""

    kind: str
    environment: str
    registered_at: datetime
    dead_at: datetime | None


class DeviceDetail(Struct):
    id: UUID
    serial: str
    imei: str
    platform: str
    os_version: str
    model: str
    name: str
    ownership: str
    phone_number: str
    carrier: str
    has_sim: bool | None
    managed: bool
    jailbroken: bool
    out_of_compliance: bool
    gateway_blocked: bool
    last_access: datetime | None
    user: str | None
    push: list[TokenBody]
    apps: list[str]
    properties: dict[str, Any]
    updated_at: datetime
    warnings: list[WarningBody]


class DevicesPage(Struct):
    devices: list[DeviceDetail]
    next: str | None


class DevicesQuery(Struct, forbid_unknown_fields=True):
    """`search` looks into serial number, IMEI, name, model and user, `filter` is the JSON of an audience."""

    platform: Device.Platform | UnsetType = UNSET
    ownership: Device.Ownership | UnsetType = UNSET
    user: Line | UnsetType = UNSET
    carrier: Line | UnsetType = UNSET
    managed: bool | UnsetType = UNSET
    jailbroken: bool | UnsetType = UNSET
    out_of_compliance: bool | UnsetType = UNSET
    gateway_blocked: bool | UnsetType = UNSET
    search: Line | UnsetType = UNSET
    filter: str | UnsetType = UNSET
    after: UUID | UnsetType = UNSET
    limit: pages.Limit = pages.DEFAULT_LIMIT


_PLAIN = ("platform", "ownership", "carrier", "managed", "jailbroken", "out_of_compliance", "gateway_blocked")


def list_devices(call: Call) -> HttpResponse:
    query: DevicesQuery = call.query
    wanted: dict[str, Any] = {name: getattr(query, name) for name in _PLAIN}
    owner = UNSET if query.user is UNSET else folded(query.user)
    wanted |= {"person__loginname__lower": owner, "uid__lt": query.after}
    rows = selection.devices(filter_in(query.filter), scope=call.caller.within, now=call.now)
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not UNSET})
    if query.search is not UNSET:
        rows = rows.filter(selection.searched_devices(query.search))
    rows = rows.select_related("person").prefetch_related("push_tokens", "apps").order_by("-uid")
    found, last = pages.page(rows, limit=query.limit)
    following = pages.next_page(call.request, last, key=lambda row: row.uid)
    return operation.answer(DevicesPage([_detail(row) for row in found], following))


def show_device(call: Call, serial: str) -> HttpResponse:
    return operation.answer(_detail(_find(call, serial)))


def put_device(call: Call, serial: str) -> HttpResponse:
    strict_json.check({"serial": serial})
    serial = key_in("serial", serial, field="serial")
    given = supplied(call.body)
    return put(
        save=lambda: edits.save_device(
            "serial", serial, given, scope=call.caller.within, country=country(), now=call.now, actor=call.actor
        ),
        answer=lambda kept: _detail(kept.row, warnings=warnings_of(kept.warnings)),
    )


def delete_device(call: Call, serial: str) -> HttpResponse:
    edits.remove_device(_find(call, serial), actor=call.actor)
    return operation.nothing()


def put_devices(call: Call) -> HttpResponse:
    batch = operation.read(strict_json.parse(call.raw).tree, into=_Batch)
    where = country()

    def save(item: Any) -> Saved[Device]:
        given = supplied(operation.read(item, into=DeviceItem))
        key = "serial" if given.get("serial") else "imei"
        value = given.pop(key, None)
        if not value:
            raise unprocessable("serial", "required", "Give serial or imei.")
        return edits.save_device(key, value, given, scope=call.caller.within, country=where, now=call.now)

    return save_all(call, batch.devices, model=Device, save=save)


def _find(call: Call, serial: str) -> Device:
    strict_json.check({"serial": serial})
    rows = Device.objects.within(call.caller.within).select_related("person")
    row = rows.filter(keyed("serial", invisible.trimmed(serial))).first()
    if row is None:
        raise operation.not_found("device")
    return row


def _detail(row: Device, *, warnings: list[WarningBody] | None = None) -> DeviceDetail:
    names = ("serial", "imei", "os_version", "model", "name", "phone_number", "has_sim", "last_access", "updated_at")
    return DeviceDetail(
        id=row.uid,
        **{name: getattr(row, name) for name in (*names, *_PLAIN)},
        user=row.person.loginname if row.person else None,
        push=[
            TokenBody(each.kind, each.environment, each.registered_at, each.dead_at) for each in row.push_tokens.all()
        ],
        apps=sorted(app.name for app in row.apps.all()),
        properties=row.properties,
        warnings=warnings or [],
    )


_WRITERS, _READERS = (ApiScope.DEVICES,), (ApiScope.READ, ApiScope.DEVICES)
OPERATIONS = (
    Operation(
        HTTPMethod.GET,
        "/devices",
        list_devices,
        "List devices, the newest first",
        answer=DevicesPage,
        scopes=_READERS,
        query=DevicesQuery,
    ),
    Operation(
        HTTPMethod.POST,
        "/devices/batch",
        put_devices,
        "Create or change up to 1,000 devices",
        answer=SavedAnswer,
        scopes=_WRITERS,
        body=DevicesBatch,
        most_bytes=BATCH_BYTES,
        reads_raw=True,
    ),
    Operation(HTTPMethod.GET, "/devices/{serial}", show_device, "One device", answer=DeviceDetail, scopes=_READERS),
    Operation(
        HTTPMethod.PUT,
        "/devices/{serial}",
        put_device,
        "Create or change a device: named fields are set, absent ones stay, null clears",
        answer=DeviceDetail,
        scopes=_WRITERS,
        body=DevicePut,
        creates=True,
    ),
    Operation(
        HTTPMethod.DELETE,
        "/devices/{serial}",
        delete_device,
        "Remove a device",
        scopes=_WRITERS,
        status=HTTPStatus.NO_CONTENT,
    ),
)
