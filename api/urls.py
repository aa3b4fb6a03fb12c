"""The addresses of the HTTP interface; what is nowhere is a problem too."""

from django.urls import path, re_path

from api.kit import openapi
from api.kit.operation import patterns
from api.kit.problems import no_such_address
from api.v1.table import OPERATIONS

urlpatterns = [
    *patterns(OPERATIONS),
    path("openapi.json", openapi.document, name="openapi"),
    path("docs", openapi.page, name="api-docs"),
    re_path(r"", no_such_address),
]
