"""The addresses of the HTTP interface; what is nowhere is a problem too."""

from django.urls import path, re_path

from api.access import keys, webhooks
from api.kit import openapi
from api.kit.callers import Authentication
from api.kit.operation import patterns
from api.kit.problems import no_such_address
from api.v1.table import OPERATIONS

authentication = Authentication(by_key=keys.of_request, is_signed=webhooks.is_signed, by_signature=webhooks.check)

urlpatterns = [
    *patterns(OPERATIONS, prefix="v1", authentication=authentication),
    path("openapi.json", openapi.document(OPERATIONS, prefix="/api/v1"), name="openapi"),
    path("docs", openapi.page, name="api-docs"),
    re_path(r"", no_such_address),
]
