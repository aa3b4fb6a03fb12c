"""What somebody sees who is locked out, lacks a second factor, or holds less than what they look at."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from playwright.sync_api import expect

from api.access import keys
from api.kit.callers import ApiScope
from api.models import ApiKey
from console.models import RoleRule
from tests.browser import looks
from tests.browser.conftest import _log_in


def permitted(*codenames):
    return Permission.objects.filter(codename__in=codenames)


@pytest.fixture
def member(page, client, live_server):
    """A page of somebody who may view and change roles and keys and little else."""
    user = User.objects.create_user("member", is_staff=True)
    user.user_permissions.set(permitted("view_group", "change_group", "view_user", "change_user", "view_apikey"))
    _log_in(page.context, client, user, live_server)
    return page


def test_whoever_is_locked_out_is_told_how_long(page, admin_user, show):
    page.goto("/admin/login/")
    for _ in range(5):
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill("wrong")
        with page.expect_navigation():
            page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Wait 1 minute before the next one.")
    looks.check(page, show=show, name="locked-out")


def test_whoever_lacks_a_required_second_factor_is_led_to_it(member, show):
    role = Group.objects.create(name="Strict")
    RoleRule.objects.create(role=role, second_factor=True)
    User.objects.get(username="member").groups.add(role)
    member.goto("/settings/roles/")
    expect(member.get_by_text("Your role requires a second factor. Set it up to go on.")).to_be_visible()
    looks.check(member, show=show, name="second-factor-required")


def test_a_role_that_holds_more_is_read_only(member, show):
    role = Group.objects.create(name="Servers")
    role.permissions.set(permitted("change_server"))
    member.goto(f"/settings/roles/{role.pk}/")
    expect(member.get_by_text("This role holds more than you do")).to_be_visible()
    expect(member.get_by_role("button", name="Save")).to_have_count(0)
    looks.check(member, show=show, name="role-beyond")


def test_a_key_whose_maker_lost_the_right_says_so(staff_page, show):
    keys.create("By command", scopes=[ApiScope.EVENTS])
    keys.create("Of one who left", scopes=[ApiScope.EVENTS])
    ApiKey.objects.filter(name="Of one who left").update(by_command=False)
    staff_page.goto("/settings/api-keys/")
    expect(staff_page.get_by_text("Refused: its maker may not do this")).to_be_visible()
    expect(staff_page.get_by_text("Someone deleted")).to_be_visible()
    looks.check(staff_page, show=show, name="keys-refused")


def test_a_role_is_made_to_require_it_by_keyboard(staff_page):
    staff_page.goto("/settings/roles/add/")
    staff_page.get_by_label("Name", exact=False).first.fill("Strict")
    box = staff_page.get_by_label("Members need a second factor")
    box.focus()
    staff_page.keyboard.press("Space")
    expect(box).to_be_checked()
    staff_page.get_by_role("button", name="Add").press("Enter")
    expect(staff_page.get_by_text("“Strict” was added.")).to_be_visible()
    assert RoleRule.objects.get().second_factor
