"""docs/permissions.md says what the program does."""

from console.accounts.roles import ADMINISTRATOR, AUDITOR, INTEGRATION, OPERATOR, holds, may_enter
from xmnotify.operations import permissions


def rows():
    lines = permissions.document().splitlines()
    return {line.split(" | ")[0].strip("| `"): line for line in lines if line.startswith("| `")}


def test_the_page_is_current():
    assert permissions.PAGE.read_text() == permissions.document(), "make it anew: manage.py permissions"


def test_it_has_pages_operations_and_who_may():
    found = rows()
    assert "| see, do | - | see | - |" in found["/settings/administrators/<int:pk>/"]
    assert "`auth.add_user`" in found["/settings/administrators/add/"]
    assert "| events |" in found["POST /events"]
    assert len(found) > 60


def test_who_can_log_in():
    assert [may_enter(role) for role in (ADMINISTRATOR, OPERATOR, AUDITOR, INTEGRATION)] == [True, True, True, False]
    assert holds(AUDITOR, "foundation.view_auditentry")
