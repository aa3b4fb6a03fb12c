"""Log-in, administrators, roles and API keys without script."""

import re

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import expect

from api.access import keys
from api.kit.callers import ApiScope
from api.models import ApiKey
from console.accounts import roles, second_factor
from console.models import Profile, SecondFactor
from tests.browser.without_script import case, press, refused, says
from tests.db.console.test_login import code_of

ADMINISTRATORS = "/settings/administrators/"
PASSWORD = "a long and quiet word"


def eve(**fields):
    return User.objects.create_user("eve", is_staff=True, **fields)


@case("admin/login/")
def logging_in(page):
    page.context.clear_cookies()
    page.goto("/settings/roles/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("wrong")
    press(page, "Log in")
    page.get_by_text("Please enter the correct username and password").wait_for()
    expect(page.get_by_label("Username")).to_have_value("admin")
    page.get_by_label("Password").fill("password")
    press(page, "Log in")
    page.get_by_role("heading", name="Roles").wait_for()


@case("admin/login/code/")
def giving_the_code(page):
    secret = second_factor.new_secret()
    SecondFactor.objects.create(user=User.objects.get(username="admin"), secret=secret)
    page.context.clear_cookies()
    page.goto("/settings/roles/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("password")
    press(page, "Log in")
    code = page.get_by_role("textbox", name="Code")
    code.fill("12")
    press(page, "Log in")
    refused(page, code, "This code is not right", typed="12")
    code.fill(code_of(secret))
    press(page, "Log in")
    page.get_by_role("heading", name="Roles").wait_for()


@case("admin/logout/")
def logging_out(page):
    page.goto("/settings/")
    page.locator("summary", has_text="admin").click()
    press(page, "Log out")
    page.get_by_role("heading", name="You are logged out").wait_for()
    page.goto("/settings/")
    page.get_by_role("heading", name="Log in").wait_for()


@case("admin/password_change/")
def changing_ones_password(page):
    page.goto("/settings/")
    page.locator("summary", has_text="admin").click()
    page.get_by_role("link", name="Change password").click()
    for old, words in (("wrong", "Your old password was entered incorrectly"), ("password", "Your other sessions")):
        page.get_by_label("Old password").fill(old)
        page.locator("#id_new_password1").fill(PASSWORD)
        page.locator("#id_new_password2").fill(PASSWORD)
        press(page, "Change password")
        says(page, words)
    assert User.objects.get(username="admin").check_password(PASSWORD)


@case("admin/profile/")
def choosing_a_time_zone(page):
    page.goto("/admin/profile/")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    press(page, "Save")
    says(page, "Your profile was saved.")
    assert Profile.objects.get().time_zone == "Europe/Berlin"


@case("admin/second_factor/")
def switching_the_second_factor_on_and_off(page):
    page.goto("/admin/second_factor/")
    secret, code = page.locator("dd.mono").inner_text().replace(" ", ""), page.get_by_role("textbox", name="Code")
    code.fill("123")
    press(page, "Switch it on")
    refused(page, code, "This is not the code", typed="123")
    code.fill(code_of(secret))
    press(page, "Switch it on")
    says(page, "Your recovery codes")
    kept = SecondFactor.objects.get().recovery
    page.get_by_role("link", name="I have kept them").click()
    press(page, "Make new recovery codes")
    says(page, "Your recovery codes")
    assert SecondFactor.objects.get().recovery != kept
    page.get_by_role("link", name="I have kept them").click()
    press(page, "Switch it off")
    says(page, "Your second factor is off")
    assert not SecondFactor.objects.exists()


@case("settings/administrators/add/")
def adding_an_administrator(page):
    Group.objects.create(name="Helpdesk")
    page.goto(ADMINISTRATORS)
    page.get_by_role("link", name="Add administrator").click()
    name = page.get_by_label("Username")
    for typed in ("admin", "eve"):
        name.fill(typed)
        page.get_by_label("Helpdesk").check()
        page.locator("#id_password1").fill(PASSWORD)
        page.locator("#id_password2").fill(PASSWORD)
        press(page, "Add")
        if typed == "admin":
            refused(page, name, "already exists", typed="admin")
            expect(page.get_by_label("Helpdesk")).to_be_checked()
    says(page, "“eve” was added.")
    assert User.objects.get(username="eve").groups.get().name == "Helpdesk"


@case("settings/administrators/<int:pk>/")
def changing_an_administrator(page):
    eve()
    page.goto(ADMINISTRATORS)
    page.get_by_role("link", name="eve", exact=True).click()
    mail = page.get_by_label("Email")
    mail.fill("eve at home")
    press(page, "Save")
    refused(page, mail, "valid email address", typed="eve at home")
    mail.fill("eve@example.com")
    press(page, "Save")
    says(page, "“eve” was saved.")
    assert User.objects.get(username="eve").email == "eve@example.com"


@case("settings/administrators/<int:pk>/password/")
def setting_a_password(page):
    eve()
    page.goto(ADMINISTRATORS)
    page.get_by_role("link", name="eve", exact=True).click()
    page.get_by_role("link", name="Set a new password").click()
    for again in ("another", PASSWORD):
        page.locator("#id_new_password1").fill(PASSWORD)
        page.locator("#id_new_password2").fill(again)
        press(page, "Set password")
        says(page, "The two password fields" if again == "another" else "The password of “eve” was set.")
    assert User.objects.get(username="eve").check_password(PASSWORD)


@case("settings/administrators/<int:pk>/second-factor/")
def resetting_a_second_factor(page):
    SecondFactor.objects.create(user=eve(), secret=second_factor.new_secret())
    page.goto(ADMINISTRATORS)
    page.get_by_role("link", name="eve", exact=True).click()
    press(page, "Reset second factor")
    says(page, "The second factor of “eve” is off.")
    assert not SecondFactor.objects.exists()


@case("settings/administrators/<int:pk>/delete/")
def deleting_an_administrator(page):
    eve()
    page.goto(f"{ADMINISTRATORS}{User.objects.get(username='admin').pk}/delete/")
    says(page, "You can't delete yourself.")
    page.goto(ADMINISTRATORS)
    page.get_by_role("link", name="Delete eve").click()
    press(page, "Delete")
    says(page, "“eve” was deleted.")
    assert User.objects.get().username == "admin"


@case("settings/roles/add/")
def adding_a_role_with_ones_password_asked_again(page):
    Group.objects.create(name="Helpdesk")
    page.goto("/settings/roles/")
    page.get_by_role("link", name="Add role").click()
    name, may = page.get_by_label("Name"), page.get_by_role("checkbox").first
    name.fill("Helpdesk")
    may.check()
    press(page, "Add")
    refused(page, name, "already exists", typed="Helpdesk")
    expect(may).to_be_checked()
    name.fill("Night shift")
    store = SessionStore(session_key=page.context.cookies()[0]["value"])
    store["console.password_at"] = 0
    store.save()
    press(page, "Add")
    for password in ("wrong", "password"):
        page.get_by_label("Your password").fill(password)
        press(page, "Confirm")
        says(page, "This is not your password" if password == "wrong" else "“Night shift” was added.")
    assert Group.objects.get(name="Night shift").permissions.count() == 1


@case("settings/roles/<int:pk>/")
def changing_a_role(page):
    roles.install(apps)
    page.goto("/settings/roles/")
    page.get_by_role("link", name="Auditor", exact=True).click()
    name = page.get_by_label("Name")
    name.fill("Administrator")
    press(page, "Save")
    refused(page, name, "already exists", typed="Administrator")
    name.fill("Reader")
    press(page, "Save")
    says(page, "“Reader” was saved.")
    assert Group.objects.get(name="Reader").permissions.exists()


@case("settings/roles/<int:pk>/delete/")
def deleting_a_role(page):
    Group.objects.create(name="Helpdesk")
    page.goto("/settings/roles/")
    page.get_by_role("link", name="Delete Helpdesk").click()
    press(page, "Delete")
    says(page, "“Helpdesk” was deleted.")
    assert not Group.objects.filter(name="Helpdesk").exists()


@case("settings/api-keys/add/")
def adding_an_api_key(page):
    keys.create("Taken", scopes=[ApiScope.EVENTS])
    page.goto("/settings/api-keys/")
    page.get_by_role("link", name="Add API key").click()
    name = page.get_by_label("Name")
    name.fill("Taken")
    page.get_by_label("Write devices and users").check()
    press(page, "Add")
    refused(page, name, "already exists", typed="Taken")
    expect(page.get_by_label("Write devices and users")).to_be_checked()
    name.fill("Device management")
    press(page, "Add")
    says(page, "“Device management” was added.")
    expect(page.get_by_label("API key", exact=True)).to_have_value(re.compile("^xmn_"))
    assert sorted(ApiKey.objects.get(name="Device management").scopes) == ["devices", "events"]


@case("settings/api-keys/<int:pk>/")
def changing_an_api_key(page):
    keys.create("Device management", scopes=[keys.ApiScope.EVENTS])
    page.goto("/settings/api-keys/")
    page.get_by_role("link", name="Device management").click()
    burst = page.get_by_label("Burst")
    burst.fill("0")
    press(page, "Save")
    refused(page, burst, "greater than or equal to 1", typed="0")
    burst.fill("20")
    press(page, "Save")
    says(page, "“Device management” was saved.")
    assert ApiKey.objects.get().burst == 20


@case("settings/api-keys/<int:pk>/revoke/")
def revoking_an_api_key(page):
    keys.create("Device management", scopes=[ApiScope.EVENTS])
    page.goto("/settings/api-keys/")
    press(page, "Revoke Device management")
    says(page, "“Device management” is revoked")
    assert ApiKey.objects.get().revoked_at
