"""Delivery receipts come in: found by the token in their address, signature checked, kept, answered immediately."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from dispatch.upkeep import receipts
from foundation.secrets import SecretUnreadableError
from servers.models import SmsGateway
from servers.sms.channel import signer
from servers.sms.receipts import gateway_of
from transports.nexmo.receipts import is_recent, read

LONGEST_RECEIPT = 16_384
_UNREADABLE_SECONDS = "300"
"""After which the service may try again whether the key of the signature secret is back."""
logger = logging.getLogger(__name__)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def nexmo(request: HttpRequest, token: str) -> HttpResponse:
    """One receipt. What is none of ours is answered as well, for the service would send it again for a day."""
    gateway = gateway_of(token)
    if gateway is None:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    try:
        fields = _fields(request)
    except RequestDataTooBig:
        return HttpResponse(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if fields is None:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    if not fields:  # the service asks so whether the address exists
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    now = timezone.now()
    if refused := _refusal(fields, gateway=gateway, now=now):
        return refused
    receipt = read(fields)
    if receipt is None or not receipts.note(receipt, gateway_id=gateway.pk, now=now):
        logger.info("receipt.unknown server=%s", gateway.pk)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _fields(request: HttpRequest) -> Mapping[str, str] | None:
    """From the body, JSON or a form, or else the query; None for a body that is neither."""
    if request.method != "POST" or not request.body:
        return request.GET.dict()
    if len(request.body) > LONGEST_RECEIPT:
        raise RequestDataTooBig
    if request.content_type != "application/json":
        return QueryDict(request.body, encoding="utf-8").dict()
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}


def _refusal(fields: Mapping[str, str], *, gateway: SmsGateway, now: datetime) -> HttpResponse | None:
    """What answers one that is not believed, or that only a lost key could tell of."""
    try:
        doubt = _doubt(fields, gateway=gateway, now=now)
    except SecretUnreadableError:
        logger.warning("receipt.secret_unreadable server=%s", gateway.pk)
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": _UNREADABLE_SECONDS})
    if not doubt:
        return None
    logger.warning("receipt.refused server=%s why=%s", gateway.pk, doubt)
    return HttpResponse(status=HTTPStatus.UNAUTHORIZED)


def _doubt(fields: Mapping[str, str], *, gateway: SmsGateway, now: datetime) -> str:
    """Why it is not believed; with a signature secret only what is signed is."""
    if fields.get("api-key", gateway.key) != gateway.key:
        return "another account"
    signs = signer(gateway)
    if signs is None:
        return ""
    if "sig" not in fields:
        return "no signature"
    if not signs.has_signed(fields):
        return "wrong signature"
    return "" if is_recent(fields.get("timestamp", ""), now=now) else "old signature"
