"""Every address of the product."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from api.receipts.views import nexmo
from servers.values import RECEIPT_PATH
from xmnotify.operations import readiness


def healthz(request: HttpRequest) -> HttpResponse:
    """Answers as long as the web process lives; says nothing of database or workers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """503 when this process can't store an event; else 200, with a line for each other cause.

    With `?all=1` it is 503 for any of them.
    """
    found = readiness.causes()
    vital = any(cause.check.vital for cause in found)
    lines = [f"{'not ready' if cause.check.vital else 'degraded'}: {cause.words}\n" for cause in found]
    status = HTTPStatus.SERVICE_UNAVAILABLE if vital or (found and request.GET.get("all") == "1") else HTTPStatus.OK
    return HttpResponse(lines or ["ok\n"], status=status, content_type="text/plain")


handler400 = "api.kit.problems.bad_request"
handler500 = "api.kit.problems.server_error"
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("api/", include("api.urls")),
    path(f"{RECEIPT_PATH}<str:token>/", nexmo, name="nexmo-receipt"),
    path("admin/", admin.site.urls),
    path("", include("console.urls")),
    path("", include("api.access.urls")),
    path("", include("devices.urls")),
    path("", include("servers.urls")),
    path("", include("templates_app.urls")),
    path("", include("dispatch.urls")),
]
handler403 = "console.kit.views.denied"
handler404 = "console.kit.views.missing"
