"""Nothing of an answer is kept on its way: it holds names, addresses and texts."""

import re

import pytest

from api.v1.table import OPERATIONS

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-4000-8000-000000000000"


def test_no_answer_may_be_stored(api):
    caller = api()
    stored = []
    for operation in OPERATIONS:
        path = re.sub(r"\{(event|delivery|template|test|broadcast)_id\}", NOBODY, operation.path)
        answer = caller.send(operation.method.value, re.sub(r"\{\w+\}", "1", path), {})
        if answer.get("Cache-Control") != "no-store":
            stored.append((operation.method.value, path, answer.status_code))
    assert stored == []


def test_nor_may_a_refusal(api):
    caller = api()
    assert caller.send("PATCH", "/devices", {})["Cache-Control"] == "no-store"
    caller.key = "xmn_nobody"
    answer = caller.get("/devices")
    assert (answer.status_code, answer["Cache-Control"]) == (401, "no-store")
