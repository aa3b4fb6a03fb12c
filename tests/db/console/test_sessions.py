"""How long a session lasts, and what it is worth without a second factor that a role requires."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.template.loader import get_template
from django.utils import timezone

from console.accounts import second_factor, sessions
from console.models import RoleRule, SecondFactor
from foundation.models import AuditEntry
from tests.db.console.test_every_page import EVERY, address
from tests.db.console.test_login import FACTOR, is_in, switch_on
from xmnotify.quickstart import prepare

pytestmark = pytest.mark.django_db


def aged(client, **minutes):
    """As if the session began, or was last in use, so many minutes earlier."""
    session = client.session
    for name, number in minutes.items():
        session[f"console.{name}"] = timezone.now().timestamp() - 60 * number
    session.save()


@pytest.mark.parametrize(("minutes", "goes_on"), [(59, True), (61, False)])
def test_an_idle_session_ends(admin_client, minutes, goes_on):
    assert is_in(admin_client)
    aged(admin_client, seen=minutes)
    assert is_in(admin_client) is goes_on
    assert ("_auth_user_id" in admin_client.session) is goes_on


@pytest.mark.parametrize(("hours", "goes_on"), [(11.9, True), (12.1, False)])
def test_a_session_ends_however_much_is_done_in_it(admin_client, hours, goes_on):
    assert is_in(admin_client)
    aged(admin_client, since=60 * hours)
    assert is_in(admin_client) is goes_on


def test_both_are_settings(admin_client, settings):
    assert is_in(admin_client)
    settings.XMNOTIFY_IDLE_MINUTES, settings.XMNOTIFY_SESSION_HOURS = 120, 24
    aged(admin_client, seen=110, since=60 * 20)
    assert is_in(admin_client)
    settings.XMNOTIFY_SESSION_HOURS = 19
    assert not is_in(admin_client)


def test_a_log_in_begins_the_time_anew(client):
    User.objects.create_superuser("ada", password="x")
    for _ in range(2):
        client.post("/admin/login/", {"username": "ada", "password": "x"})
        assert timezone.now().timestamp() - client.session["console.since"] < 600
        aged(client, since=600)


def test_what_a_page_asks_by_itself_keeps_no_session_alive(admin_client):
    is_in(admin_client)
    aged(admin_client, seen=30)
    before = admin_client.session["console.seen"]
    admin_client.get("/", headers={"HX-Request": "true", "HX-Trigger": "figures"}, follow=True)
    assert admin_client.session["console.seen"] == before
    is_in(admin_client)
    assert admin_client.session["console.seen"] > before


def test_the_page_that_asks_by_itself_does_so_under_that_name():
    source = get_template("dispatch/dashboard.html").template.source
    (polling,) = re.findall(r'<div id="(\w+)"[^>]*hx-trigger="every', source)
    assert {polling} == sessions.POLLS


@pytest.fixture
def strict(client):
    """A member of a role that requires a second factor and grants everything."""
    role = Group.objects.create(name="Strict")
    role.permissions.set(Permission.objects.all())
    RoleRule.objects.create(role=role, second_factor=True)
    user = User.objects.create_user("sue", password="x", is_staff=True)
    user.groups.add(role)
    client.force_login(user)
    return user


@pytest.mark.parametrize("pattern", EVERY)
def test_who_lacks_a_required_second_factor_is_led_to_it_from_everywhere(client, strict, pattern):
    for method in (client.get, client.post):
        assert method(address(pattern))["Location"] == FACTOR


def test_who_sets_it_up_goes_on_and_keeps_it(client, strict):
    assert client.get("/admin/password_change/")["Location"] == FACTOR
    assert "Your role requires a second factor" in client.get(FACTOR).content.decode()
    _secret, codes = switch_on(client)
    assert len(codes) == 10
    assert is_in(client)
    client.post(FACTOR, {"do": "off"})
    assert second_factor.is_on(strict)
    assert "Switch it off" not in client.get(FACTOR).content.decode()


def test_who_lost_it_sets_it_up_anew(client, strict, admin_client):
    SecondFactor.objects.create(user=strict, secret="x")
    assert is_in(client)
    assert admin_client.post(f"/settings/administrators/{strict.pk}/second-factor/").status_code == 302
    assert client.get("/settings/about/")["Location"] == FACTOR


def test_a_role_is_made_to_require_it_and_the_trail_says_so(admin_client):
    admin_client.post("/settings/roles/add/", {"name": "Strict", "second_factor": "on"})
    role = Group.objects.get(name="Strict")
    assert admin_client.get(f"/settings/roles/{role.pk}/").context["form"].initial["second_factor"] is True
    entry = AuditEntry.objects.get(object_type="console.rolerule")
    assert (entry.object_name, entry.before, entry.after) == (
        "Strict",
        {"second_factor": False},
        {"second_factor": True},
    )
    admin_client.post(f"/settings/roles/{role.pk}/", {"name": "Strict"})
    assert not RoleRule.objects.get().second_factor


@pytest.mark.parametrize(("password", "good"), [("elevenlong!", False), ("twelve-long!", True)])
def test_a_password_has_twelve_characters(password, good):
    if good:
        validate_password(password)
    else:
        with pytest.raises(ValidationError, match="at least 12"):
            validate_password(password)


def test_the_variable_makes_the_first_administrator_and_changes_nothing_later(monkeypatch):
    said = []
    monkeypatch.setattr("xmnotify.env.text", lambda _name, default="": "the-first-password")
    prepare.make_administrator(said.append)
    monkeypatch.setattr("xmnotify.env.text", lambda _name, default="": "another-password")
    prepare.make_administrator(said.append)
    assert User.objects.get(username=prepare.ADMINISTRATOR).check_password("the-first-password")
    assert "XMNOTIFY_ADMIN_PASSWORD is for the first start" in said[-1]
    assert "another-password" not in "".join(said)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_name) == ("quick start", "add", prepare.ADMINISTRATOR)
