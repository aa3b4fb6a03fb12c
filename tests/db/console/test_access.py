"""Who may open what, and the pages for administrators and roles."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse

from console.accounts import roles
from console.kit import registry
from foundation.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def member(client):
    """Logs a member of a role in."""
    roles.install(apps)

    def log_in(role):
        user = User.objects.create_user(f"a-{role}".lower(), password="x", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        user.user_permissions.add(Permission.objects.get(codename="view_lane"))  # which no page asks for
        client.force_login(user)
        return user

    return log_in


def test_a_stranger_is_led_to_the_log_in(client):
    answer = client.get("/settings/administrators/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/?next=/settings/administrators/")


def test_a_user_who_is_not_staff_gets_no_page(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("api-only"))
    assert client.get("/settings/").status_code == 302


def test_an_administrator_may_open_every_tile_and_entry(client, member):
    user = member(roles.ADMINISTRATOR)
    pages = [*registry.tiles(user), *registry.entries(user)]
    assert {tile.view for tile in registry.tiles(user)} >= {"administrators", "roles", "health", "about"}
    for page in pages:
        assert client.get(_address(page)).status_code == 200, page.view


def test_every_tile_and_entry_with_a_permission_is_refused_without_it(client, member):
    user = member(roles.INTEGRATION)
    superuser = User(is_superuser=True, is_active=True)
    for page in [*registry.tiles(superuser), *registry.entries(superuser)]:
        expected = 200 if registry.allowed(user, page) else 403
        assert client.get(_address(page)).status_code == expected, page.view


def test_a_refused_and_a_missing_page_are_told_in_the_shell(client, member):
    member(roles.INTEGRATION)
    refused = client.get("/audit/")
    assert (refused.status_code, "You may not open this page" in refused.content.decode()) == (403, True)
    missing = client.get("/nowhere/")
    assert (missing.status_code, "This page does not exist" in missing.content.decode()) == (404, True)
    assert "Log out" in missing.content.decode()


def test_an_auditor_reads_but_changes_nothing(client, member):
    member(roles.AUDITOR)
    assert client.get("/audit/").status_code == 200
    assert client.get("/settings/administrators/").status_code == 200
    assert client.post("/settings/administrators/add/", {"username": "mallory"}).status_code == 403
    assert not User.objects.filter(username="mallory").exists()


def test_an_auditor_may_not_read_message_bodies(member):
    user = member(roles.AUDITOR)
    assert user.has_perm("dispatch.view_delivery")
    assert not user.has_perm("dispatch.view_deliverytext")


def test_an_operator_sends_and_resends_and_sets_up_nothing(member):
    user = member(roles.OPERATOR)
    assert user.has_perms(["dispatch.add_broadcast", "dispatch.change_delivery", "servers.view_smtpserver"])
    assert not user.has_perm("servers.change_smtpserver")
    assert not user.has_perm("foundation.view_auditentry")


def test_installing_the_roles_again_takes_nothing_away(member):
    member(roles.OPERATOR)
    group = Group.objects.get(name=roles.OPERATOR)
    count = group.permissions.count()
    roles.install(apps)
    assert group.permissions.count() == count > 10


def test_adding_and_changing_an_administrator_is_audited(admin_client):
    roles.install(apps)
    role = Group.objects.get(name=roles.AUDITOR)
    fields = {"username": "eve", "password1": "correct-horse-9", "password2": "correct-horse-9", "groups": [role.pk]}
    assert admin_client.post("/settings/administrators/add/", fields).status_code == 302
    eve = User.objects.get(username="eve")
    assert eve.is_staff
    assert list(eve.groups.all()) == [role]
    changed = {"username": "eve", "is_active": "on", "email": "eve@example.com"}
    assert admin_client.post(f"/settings/administrators/{eve.pk}/", changed).status_code == 302
    add, change = AuditEntry.objects.order_by("id")
    assert add.after["groups"] == ["Auditor"]
    assert add.after["password"] == "••••••"
    assert change.before == {"email": "", "groups": ["Auditor"]}
    assert change.after == {"email": "eve@example.com", "groups": []}


def test_only_a_superuser_may_touch_a_superuser(client, member, admin_user):
    member(roles.ADMINISTRATOR)
    for path in ("", "password/", "delete/"):
        assert client.get(f"/settings/administrators/{admin_user.pk}/{path}").status_code == 404


def test_nobody_deletes_oneself(admin_client, admin_user):
    assert admin_client.post(f"/settings/administrators/{admin_user.pk}/delete/").status_code == 302
    assert User.objects.filter(pk=admin_user.pk).exists()


def test_a_new_password_ends_the_sessions_of_its_user(admin_client, client, django_user_model):
    user = django_user_model.objects.create_superuser("eve", password="x")
    client.force_login(user)
    assert client.get("/settings/").status_code == 200
    typed = {"new_password1": "correct-horse-9", "new_password2": "correct-horse-9"}
    assert admin_client.post(f"/settings/administrators/{user.pk}/password/", typed).status_code == 302
    assert client.get("/settings/").status_code == 302


def test_an_older_save_of_a_second_tab_is_refused_with_what_is_different_and_can_be_repeated(admin_client):
    eve = User.objects.create_user("eve", email="old@example.com", is_staff=True)
    path = f"/settings/administrators/{eve.pk}/"
    first, second = (admin_client.get(path).context["seen"] for _tab in range(2))
    typed = {"username": "eve", "is_active": "on"}
    assert admin_client.post(path, {**typed, "email": "first@example.com", "seen": first}).status_code == 302
    refused = admin_client.post(path, {**typed, "email": "second@example.com", "seen": second})
    assert refused.status_code == 422
    assert "stored “first@example.com”, typed “second@example.com”." in refused.content.decode()
    eve.refresh_from_db()
    assert eve.email == "first@example.com"
    again = {**typed, "email": "second@example.com", "seen": refused.context["seen"]}
    assert admin_client.post(path, again).status_code == 302


def test_deleting_a_role_tells_who_loses_it(admin_client, member):
    user = member(roles.AUDITOR)
    role = Group.objects.get(name=roles.AUDITOR)
    page = admin_client.get(f"/settings/roles/{role.pk}/delete/").content.decode()
    assert f"These administrators lose its permissions: {user.username}." in page
    assert admin_client.post(f"/settings/roles/{role.pk}/delete/").status_code == 302
    assert not Group.objects.filter(pk=role.pk).exists()


def test_a_role_takes_its_permissions_from_the_form(admin_client):
    roles.install(apps)
    role = Group.objects.get(name=roles.INTEGRATION)
    wanted = Group.objects.get(name=roles.AUDITOR).permissions.values_list("pk", flat=True)[:3]
    assert (
        admin_client.post(f"/settings/roles/{role.pk}/", {"name": "Robots", "permissions": wanted}).status_code == 302
    )
    role.refresh_from_db()
    assert role.name == "Robots"
    assert set(role.permissions.values_list("pk", flat=True)) == set(wanted)


def test_the_form_of_a_role_offers_users_and_administrators_apart_and_keeps_what_it_does_not_offer(admin_client):
    roles.install(apps)
    role = Group.objects.get(name=roles.ADMINISTRATOR)
    form = admin_client.get(f"/settings/roles/{role.pk}/").context["form"]
    rows = {row.label: row.boxes for row in form.rows()}
    assert {"Users", "Administrators", "Roles"} <= set(rows)
    assert all(len(boxes) == 4 for boxes in rows.values())
    assert len(rows) == len(roles.OFFERED)
    admin_client.post(f"/settings/roles/{role.pk}/", {"name": role.name, "permissions": []})
    assert role.permissions.filter(codename="view_lane").exists()
    assert not role.permissions.filter(codename="view_server").exists()


def test_every_page_forbids_inline_script_and_foreign_hosts(client):
    policy = client.get("/admin/login/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def _address(page):
    return reverse(page.view)
