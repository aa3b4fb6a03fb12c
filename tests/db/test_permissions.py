"""docs/permissions.md, held against what requests get."""

import re

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import Client

from api.access import keys
from api.kit.callers import ApiScope
from api.v1.table import OPERATIONS
from console.accounts import roles
from xmnotify.operations import permissions

pytestmark = pytest.mark.django_db
NUMBERED = re.compile(r"\{(?:server|gateway)_id\}")
ROLES = (roles.ADMINISTRATOR, roles.OPERATOR, roles.AUDITOR)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_the_pages_that_the_table_says(client, role):
    roles.install(apps)
    user = User.objects.create_user("member", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    column = [roles.ADMINISTRATOR, roles.OPERATOR, roles.AUDITOR].index(role) + 1
    lines = [line.split(" | ") for line in permissions.document().splitlines() if line.startswith("| `/")]
    plain = {cells[0].strip("| `"): cells[column] for cells in lines if "<" not in cells[0]}
    answers = {path: client.get(path).status_code for path in plain}
    posted = {path for path, status in answers.items() if status in {302, 405}}  # what only a POST is for
    refused = {path for path, status in answers.items() if status == 403}
    assert refused == {path for path, may in plain.items() if "see" not in may} - posted
    assert len(plain) > 20


@pytest.mark.parametrize("scope", list(ApiScope))
def test_each_scope_may_call_the_operations_that_the_table_says(scope):
    key = {"Authorization": f"Bearer {keys.create('one', scopes=[scope])}"}
    refused = set()
    for one in OPERATIONS:
        path = re.sub(r"\{\w+\}", "01a20457-3f09-746b-90d3-dba1359cf3e3", NUMBERED.sub("1", one.path))
        answer = Client().generic(one.method, f"/api/v1{path}", "{}", content_type="application/json", headers=key)
        assert answer.status_code != 401
        if answer.status_code == 403:
            refused.add((one.method, one.path))
    assert refused == {(one.method, one.path) for one in OPERATIONS if one.scopes and scope not in one.scopes}
