"""A view that does nothing, and the events endpoint as ninja and the ORM alone would have it, beside the product.

Both lie where the product's own operations do, so that all three pass the same middleware.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Schema
from ninja.security import HttpBearer

from api.models import ApiKey
from devices.models import Device
from dispatch.models import Delivery, Event
from dispatch.wakeup import wake_ups
from servers.models import Server
from templates_app.models import NotificationTemplate


class _Key(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        hashlib.sha256(token.encode()).hexdigest()
        return ApiKey.objects.filter(lookup=token.split("_")[1], revoked_at=None).first()


class _Device(Schema):
    serial: str


class _Event(Schema):
    type: str
    source: str = ""
    device: _Device
    data: dict[str, Any] = {}


class _Answer(Schema):
    id: str
    deliveries: int


ninja = NinjaAPI(auth=_Key())


@ninja.post("/events", response={202: _Answer})
def plain_event(request: HttpRequest, event: _Event) -> tuple[int, dict[str, Any]]:
    now = timezone.now()
    device = Device.objects.select_related("person").get(serial=event.device.serial)
    template = NotificationTemplate.objects.filter(type=event.type, predefined=False).order_by("name")[0]
    server = Server.objects.get(kind="smtp", active=True)
    with transaction.atomic():
        stored = Event.objects.create(
            type=event.type,
            source=event.source,
            origin="ninja",
            occurred_at=now,
            received_at=now,
            device=device,
            person=device.person,
            payload={"data": event.data},
        )
        Delivery.objects.create(
            event=stored,
            template_version_id=template.current_id,
            channel="smtp",
            server_kind="smtp",
            server=server,
            person=device.person,
            device=device,
            address_kind="mail",
            address=device.person.mail if device.person else "",
            due_at=now,
            created_at=now,
            expires_at=now + timedelta(days=3),
        )
        transaction.on_commit(lambda: wake_ups.wake(server.pk))
    return 202, {"id": str(stored.pk), "deliveries": 1}


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b'{"id":1}', content_type="application/json")


urlpatterns = [
    path("api/v1/nothing", nothing),
    path("api/v1/ninja/", ninja.urls),
    path("", include("xmnotify.urls")),
]
