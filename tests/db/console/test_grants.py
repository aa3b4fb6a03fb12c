"""Nobody grants, makes or touches more than they hold."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from api.access import edits as api_edits
from api.access import keys
from api.kit.callers import ApiScope
from api.models import ApiKey, Webhook
from console.accounts import edits, grants, roles
from console.accounts.forms import AdministratorForm
from console.accounts.grants import BeyondError
from console.models import SecondFactor
from foundation import audit
from foundation.audit import Actor
from foundation.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-9-battery"
ACCOUNTS = (
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.delete_user",
    "auth.view_group",
    "auth.add_group",
    "auth.change_group",
    "auth.delete_group",
    "api.view_apikey",
    "api.add_apikey",
    "api.change_apikey",
)


def named(*names):
    parts = [name.split(".") for name in names]
    return [Permission.objects.get(content_type__app_label=app, codename=codename) for app, codename in parts]


def user(name, *names, **fields):
    made = User.objects.create_user(name, password=PASSWORD, is_staff=True, **fields)
    made.user_permissions.add(*named(*names))
    return made


@pytest.fixture
def eve(client):
    """Holds all that concerns accounts and nothing else."""
    roles.install(apps)
    made = user("eve", *ACCOUNTS)
    client.force_login(made)
    return made


def log_in_again(client, who):
    """So that the password was given lately."""
    client.force_login(who)
    return client


def text(answer):
    return answer.content.decode()


def test_what_covers_what():
    one, two = grants.Held(frozenset({"a.x"})), grants.Held(frozenset({"a.x", "a.y"}))
    assert grants.covers(two, one)
    assert not grants.covers(one, two)
    assert grants.covers(grants.EVERYTHING, two)
    assert not grants.covers(two, grants.EVERYTHING)
    assert grants.covers(one, grants.Held())


def test_a_deactivated_user_holds_what_they_would_hold():
    boss = user("boss", "auth.view_user", is_active=False)
    root = User.objects.create_superuser("root", is_active=False)
    assert grants.of_user(boss).names == {"auth.view_user"}
    assert grants.of_user(root) == grants.EVERYTHING


def test_roles_that_hold_more_are_neither_offered_nor_taken(client, eve):
    administrator = Group.objects.get(name=roles.ADMINISTRATOR)
    robots = Group.objects.get(name=roles.INTEGRATION)
    page = client.get("/settings/administrators/add/")
    assert list(page.context["form"].fields["groups"].queryset) == [robots]
    fields = {"username": "tool", "password1": PASSWORD + "x", "password2": PASSWORD + "x"}
    refused = client.post("/settings/administrators/add/", fields | {"groups": [administrator.pk]})
    assert refused.status_code == 422
    mine = client.post(
        f"/settings/administrators/{eve.pk}/", {"username": "eve", "is_active": "on", "groups": [administrator.pk]}
    )
    assert mine.status_code == 422
    assert not administrator.user_set.exists()


@pytest.mark.parametrize("power", ["superuser", "deactivated superuser", "one permission more", "by a role"])
@pytest.mark.parametrize("path", ["", "password/", "second-factor/", "delete/"])
def test_who_holds_more_is_not_touched(client, eve, power, path):
    if "superuser" in power:
        boss = User.objects.create_superuser("boss", password=PASSWORD, is_active=power == "superuser")
    else:
        boss = user("boss", *(["servers.view_server"] if power == "one permission more" else []))
    if power == "by a role":
        boss.groups.add(Group.objects.get(name=roles.OPERATOR))
    SecondFactor.objects.create(user=boss, secret="x")
    before = boss.password
    typed = {"username": "renamed", "new_password1": PASSWORD + "x", "new_password2": PASSWORD + "x"}
    assert client.post(f"/settings/administrators/{boss.pk}/{path}", typed).status_code == 404
    boss.refresh_from_db()
    assert (boss.username, boss.password, hasattr(boss, "second_factor")) == ("boss", before, True)
    assert f"/settings/administrators/{boss.pk}/" not in text(client.get("/settings/administrators/"))


def test_who_holds_no_more_is_changed_as_before(client, eve):
    tool = user("tool", "auth.view_user")
    changed = {"username": "tool", "email": "t@example.com", "is_active": "on"}
    assert client.post(f"/settings/administrators/{tool.pk}/", changed).status_code == 302
    assert client.post(f"/settings/administrators/{tool.pk}/delete/").status_code == 302
    assert not User.objects.filter(username="tool").exists()


def test_a_role_that_holds_more_is_read_and_not_changed_or_deleted(client, eve):
    operator = Group.objects.get(name=roles.OPERATOR)
    page = client.get(f"/settings/roles/{operator.pk}/")
    assert "holds more than you do" in text(page)
    assert not page.context["may_write"]
    assert page.context["form"]["permissions"].subwidgets[0].data["label"]
    answer = client.post(f"/settings/roles/{operator.pk}/", {"name": "Mine", "permissions": []})
    assert answer.status_code == 403
    client.post(f"/settings/roles/{operator.pk}/delete/")
    assert Group.objects.filter(name=roles.OPERATOR).exists()


def test_a_role_is_given_what_its_maker_holds(client, eve):
    (more,) = named("servers.change_server")
    (own,) = named("auth.view_user")
    path = "/settings/roles/add/"
    offered = {value for value, _label in client.get(path).context["form"].fields["permissions"].choices}
    assert str(own.pk) in offered
    assert str(more.pk) not in offered
    assert client.post(path, {"name": "Mine", "permissions": [more.pk]}).status_code == 422
    assert client.post(path, {"name": "Mine", "permissions": [own.pk]}).status_code == 302
    assert list(Group.objects.get(name="Mine").permissions.all()) == [own]


def test_changing_is_not_adding(client):
    changer = user("changer", "auth.view_user", "auth.change_user", "auth.view_group", "auth.change_group")
    client.force_login(changer)
    for path in ("/settings/administrators/add/", "/settings/roles/add/"):
        assert client.get(path).status_code == 403
        assert client.post(path, {"name": "x", "username": "x"}).status_code == 403


def test_an_edit_checks_whoever_calls_it(eve):
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    factor = SecondFactor.objects.create(user=boss, secret="x")
    actor = Actor("eve", user=eve)
    for change in (
        lambda: edits.set_password(boss, "x", actor=actor),
        lambda: edits.delete_administrator(boss, actor=actor),
        lambda: edits.turn_off_second_factor(factor, actor=actor),
        lambda: edits.delete_role(Group.objects.get(name=roles.OPERATOR), actor=actor),
        lambda: api_edits.create_key("k", scopes=[ApiScope.READ], actor=actor),
        lambda: api_edits.create_webhook("w", scopes=[ApiScope.EVENTS], actor=actor),
    ):
        with pytest.raises(grants.BeyondError):
            change()
    assert not AuditEntry.objects.exists()
    assert not Webhook.objects.exists()


def test_an_edit_of_a_row_that_somebody_saved_meanwhile_is_refused(eve):
    tool = user("tool")
    before = audit.snapshot(tool)
    User.objects.filter(pk=tool.pk).update(email="first@example.com")
    form = AdministratorForm(instance=tool, holder=grants.EVERYTHING, data={"username": "late", "is_active": "on"})
    assert form.is_valid()
    with pytest.raises(edits.StaleError):
        edits.save_administrator(form, actor=Actor("eve", user=eve), before=before)
    tool.refresh_from_db()
    assert tool.username == "tool"


@pytest.mark.parametrize("scope", list(ApiScope))
def test_a_scope_is_given_by_whoever_holds_all_that_it_needs(client, scope):
    needed = sorted(keys.NEEDED[scope])
    maker = user("maker", "api.view_apikey", "api.add_apikey", "api.change_apikey", *needed)
    fields = {"name": "Tool", "scopes": [scope.value], "lifetime": "30"}
    client.force_login(maker)
    words = client.post("/settings/api-keys/add/", fields).context["words"]
    assert keys.check(words, now=timezone.now()).scopes == {scope}
    boss = User.objects.create_superuser("boss")
    theirs = ApiKey.objects.get(name="Tool")
    ApiKey.objects.filter(pk=theirs.pk).update(created_by=boss)
    for name in needed:
        maker.user_permissions.remove(*named(name))
        offered = {
            value for value, _label in client.get("/settings/api-keys/add/").context["form"].fields["scopes"].choices
        }
        assert scope.value not in offered
        assert client.post("/settings/api-keys/add/", fields | {"name": "Other"}).status_code == 422
        assert client.post(f"/settings/api-keys/{theirs.pk}/revoke/").status_code == 403
        assert client.post(f"/settings/api-keys/{theirs.pk}/", {"rate_limit": 1, "burst": 1}).status_code == 404
        with pytest.raises(BeyondError):
            api_edits.change_key(theirs, groups=None, actor=Actor("maker", user=maker), before=audit.snapshot(theirs))
        maker.user_permissions.add(*named(name))
    assert client.post(f"/settings/api-keys/{theirs.pk}/revoke/").status_code == 302


def _deactivated(maker):
    maker.is_active = False
    maker.save()


def _deleted(maker):
    maker.delete()


def _deprived(maker):
    maker.groups.clear()


def _deprived_role(maker):
    maker.groups.get().permissions.remove(*named("dispatch.view_delivery"))


def _no_more_superuser(maker):
    maker.is_superuser = False
    maker.groups.clear()
    maker.save()


@pytest.mark.parametrize("loss", [_deactivated, _deleted, _deprived, _deprived_role, _no_more_superuser])
def test_a_key_dies_with_its_makers_right_to_it(client, admin_client, loss):
    roles.install(apps)
    maker = user("maker", is_superuser=loss is _no_more_superuser)
    maker.groups.add(Group.objects.get(name=roles.OPERATOR))
    text_of = api_edits.create_key("Tool", scopes=[ApiScope.READ], actor=Actor("maker", user=maker))
    ask = {"headers": {"Authorization": f"Bearer {text_of}"}}
    assert client.get("/api/v1/ping", **ask).status_code == 200
    loss(maker)
    assert client.get("/api/v1/ping", **ask).status_code == 401
    assert "its maker may not do this" in text(admin_client.get("/settings/api-keys/"))


def test_the_check_of_a_key_is_one_statement(django_assert_num_queries):
    text_of = api_edits.create_key(
        "Tool", scopes=[ApiScope.READ], actor=Actor("x", user=user("m", *keys.NEEDED["read"]))
    )
    keys.check(text_of, now=timezone.now())
    with django_assert_num_queries(1):
        assert keys.check(text_of, now=timezone.now())


def test_the_list_and_the_trail_say_who_made_a_key(admin_client, capsys):
    call_command("create_api_key", "Ours", scopes="events")
    call_command("create_webhook", "Hook")
    call_command("create_webhook", "Hook", rotate=True)
    assert keys.check(capsys.readouterr().out.split()[0], now=timezone.now())
    admin_client.post("/settings/api-keys/add/", {"name": "Theirs", "scopes": ["events"], "lifetime": "30"})
    page = text(admin_client.get("/settings/api-keys/"))
    assert "A command" in page
    entries = list(AuditEntry.objects.order_by("id").values_list("actor", "action", "object_name"))
    assert entries == [
        ("create_api_key", "add", "Ours"),
        ("create_webhook", "add", "Hook"),
        ("create_webhook", "change", "Hook"),
        ("admin", "add", "Theirs"),
    ]
    assert AuditEntry.objects.get(object_name="Theirs").after["created_by"] == "admin"
    assert AuditEntry.objects.get(object_name="Ours").after["by_command"] is True


def test_who_has_no_permission_of_the_console_does_not_get_in(client):
    roles.install(apps)
    robot = user("robot")
    robot.groups.add(Group.objects.get(name=roles.INTEGRATION))
    answer = client.post("/admin/login/", {"username": "robot", "password": PASSWORD})
    assert "You have no role that allows anything in this console." in text(answer)
    robot.user_permissions.add(*named("auth.view_user"))
    assert client.post("/admin/login/", {"username": "robot", "password": PASSWORD}).status_code == 302
    assert client.get("/settings/about/").status_code == 200
    robot.user_permissions.clear()
    assert client.get("/settings/about/").status_code == 302
    assert "_auth_user_id" not in client.session
    robot.user_permissions.add(*named("auth.view_user"))
    assert client.get("/settings/about/").status_code == 302


def test_a_wrong_password_tells_nothing_of_roles(client):
    user("robot")
    answer = Client().post("/admin/login/", {"username": "robot", "password": "wrong"})
    assert "no role" not in text(answer)
