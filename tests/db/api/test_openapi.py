"""The OpenAPI document describes what is served, and nothing that is sent by its rules breaks the server."""

import re

import pytest
import requests
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, settings

from api.kit.openapi import described
from api.models import ApiKey
from api.v1.table import OPERATIONS

pytestmark = pytest.mark.django_db
DOCUMENT = described(OPERATIONS, prefix="/api/v1")
schema = schemathesis.openapi.from_dict(DOCUMENT)


def test_the_document_is_served_to_anybody(db):
    answer = Client().get("/api/openapi.json")
    assert answer.json()["openapi"] == "3.1.0"
    assert set(answer.json()["paths"]) == {operation.path for operation in OPERATIONS}


def test_every_reference_of_the_document_is_there():
    text = str(DOCUMENT)
    wanted = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert wanted <= set(DOCUMENT["components"]["schemas"])


def test_operation_ids_are_unique():
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_the_try_it_page_needs_no_other_host(db):
    answer = Client().get("/api/docs")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert not re.search(r"https?://|<style|style=|onclick=|<script(?![^>]*src=)", page)


@pytest.mark.fuzz
@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_nothing_sent_by_the_document_breaks_the_server(case, api, small_world, idle_tests):
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://testserver/api/v1")).prepare()
    headers = {**prepared.headers, "Authorization": f"Bearer {_key(api)}"}
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    answer = Client(raise_request_exception=False).generic(
        prepared.method,
        prepared.path_url,
        body,
        content_type=headers.pop("Content-Type", ""),
        headers={name: value for name, value in headers.items() if name != "Content-Length"},
    )
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"]


def _key(api):
    """One key for all examples of a test."""
    if not ApiKey.objects.exists():
        _key.text = api().key
    return _key.text
