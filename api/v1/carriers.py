"""Carrier SMS gateways: the domains at which mail becomes SMS."""

from __future__ import annotations

from http import HTTPMethod, HTTPStatus
from typing import Literal

from django.db import transaction
from django.http import HttpResponse
from msgspec import UNSET, Struct, UnsetType

from api.kit import operation
from api.kit.callers import ApiScope
from api.kit.operation import Call, Operation
from api.v1.bodies import Text, supplied
from api.v1.servers import edited, set_fields
from servers.carriers import edits
from servers.carriers.validators import carrier_warnings
from servers.models import CarrierGateway

_GATEWAY = "carrier SMS gateway"
Format = Literal["national", "country_code", "plus"]


class CarrierFields(Struct, forbid_unknown_fields=True):
    """Named fields are set, absent ones stay, null gives the default.

    `country` is ISO 3166, such as US. A phone of this carrier and country is written to at `prefix`, its number as
    `number_format` says, "@", `domain`.
    """

    carrier: Text = UNSET
    domain: Text = UNSET
    country: Text = UNSET
    prefix: Text = UNSET
    number_format: Format | UnsetType | None = UNSET


class CarrierChange(CarrierFields, forbid_unknown_fields=True):
    """The same; with `revision`, the one that was read, nobody else's change since then is overwritten."""

    revision: int | UnsetType = UNSET


class CarrierBody(Struct):
    id: int
    carrier: str
    domain: str
    country: str
    prefix: str
    number_format: Format
    revision: int
    warnings: dict[str, str]


class CarriersBody(Struct):
    carrier_gateways: list[CarrierBody]


def list_carrier_gateways(call: Call) -> HttpResponse:
    return operation.answer(CarriersBody([_body(row) for row in CarrierGateway.objects.all()]))


def show_carrier_gateway(call: Call, gateway_id: int) -> HttpResponse:
    return operation.answer(_body(_find(gateway_id)))


def create_carrier_gateway(call: Call) -> HttpResponse:
    gateway = CarrierGateway()
    set_fields(gateway, supplied(call.body))
    with edited(_GATEWAY):
        edits.create(gateway, actor=call.actor)
    answer = operation.answer(_body(gateway), status=HTTPStatus.CREATED)
    answer["Location"] = f"/api/v1/carrier-gateways/{gateway.pk}"
    return answer


def change_carrier_gateway(call: Call, gateway_id: int) -> HttpResponse:
    given = supplied(call.body)
    with edited(_GATEWAY), transaction.atomic():
        gateway = edits.read_for_change(gateway_id)
        gateway.revision = given.pop("revision", gateway.revision)
        set_fields(gateway, given)
        edits.change(gateway, actor=call.actor)
    return operation.answer(_body(gateway))


def delete_carrier_gateway(call: Call, gateway_id: int) -> HttpResponse:
    with edited(_GATEWAY):
        edits.delete(_find(gateway_id), actor=call.actor)
    return operation.nothing()


def _find(gateway_id: int) -> CarrierGateway:
    found = CarrierGateway.objects.filter(pk=gateway_id).first()
    if found is None:
        raise operation.not_found(_GATEWAY)
    return found


def _body(row: CarrierGateway) -> CarrierBody:
    names = ("carrier", "domain", "country", "prefix", "number_format", "revision")
    return CarrierBody(id=row.pk, **{name: getattr(row, name) for name in names}, warnings=carrier_warnings(row))


_READERS, _WRITERS = (ApiScope.READ, ApiScope.ADMIN), (ApiScope.ADMIN,)
_ALL, _ONE = "/carrier-gateways", "/carrier-gateways/{gateway_id}"
OPERATIONS = (
    Operation(
        HTTPMethod.GET, _ALL, list_carrier_gateways, "List carrier SMS gateways", answer=CarriersBody, scopes=_READERS
    ),
    Operation(
        HTTPMethod.POST,
        _ALL,
        create_carrier_gateway,
        "Add a carrier SMS gateway",
        answer=CarrierBody,
        scopes=_WRITERS,
        status=HTTPStatus.CREATED,
        body=CarrierFields,
    ),
    Operation(
        HTTPMethod.GET, _ONE, show_carrier_gateway, "One carrier SMS gateway", answer=CarrierBody, scopes=_READERS
    ),
    Operation(
        HTTPMethod.PUT,
        _ONE,
        change_carrier_gateway,
        "Change a carrier SMS gateway: named fields are set, absent ones stay; 409 if `revision` is an old one",
        answer=CarrierBody,
        scopes=_WRITERS,
        body=CarrierChange,
    ),
    Operation(
        HTTPMethod.DELETE,
        _ONE,
        delete_carrier_gateway,
        "Delete a carrier SMS gateway; new SMS to its phones go through the SMS gateway",
        scopes=_WRITERS,
        status=HTTPStatus.NO_CONTENT,
    ),
)
