"""Every address of the product."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from api.receipts import nexmo
from dispatch.readiness import trouble_with_storing
from foundation.sql.trouble import WORDS
from servers.values import RECEIPT_PATH
from xmnotify.operations import readiness


def healthz(request: HttpRequest) -> HttpResponse:
    """Answers as long as the web process lives; says nothing of database or workers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this process can store an event; see `readiness` for what else it says."""
    trouble = trouble_with_storing()
    status, words = readiness.report(WORDS[trouble] if trouble else "", everything=request.GET.get("all") == "1")
    return HttpResponse(words, status=status, content_type="text/plain")


handler400 = "api.problems.bad_request"
handler500 = "api.problems.server_error"
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("api/", include("api.urls")),
    path(f"{RECEIPT_PATH}<str:token>/", nexmo, name="nexmo-receipt"),
    path("admin/", admin.site.urls),
    path("", include("console.urls")),
    path("", include("api.key_urls")),
    path("", include("servers.urls")),
    path("", include("templates_app.urls")),
    path("", include("dispatch.urls")),
]
handler403 = "console.views.denied"
handler404 = "console.views.missing"
