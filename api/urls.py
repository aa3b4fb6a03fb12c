"""The addresses of the HTTP interface; what is nowhere is a problem too."""

from django.urls import re_path

from api.operation import patterns
from api.problems import no_such_address
from api.v1.table import OPERATIONS

urlpatterns = [
    *patterns(OPERATIONS),
    re_path(r"", no_such_address),
]
