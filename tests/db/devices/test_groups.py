"""Manage > Groups."""

import pytest
from django.contrib.auth.models import Group as Role
from django.urls import reverse

from api.models import ApiKey
from console.models import RoleRule
from devices import edits
from devices.models import Change, Group, RoleScope
from devices.scope import EVERYBODY, GroupScope
from foundation.audit import Actor
from foundation.models import AuditEntry
from tests.db import world

pytestmark = pytest.mark.django_db
ACTOR = Actor("test")


def test_the_page_says_how_many_and_where_from(admin_client):
    group, other = Group.objects.create(name="Sales"), Group.objects.create(name="Board", by_hand=True)
    ada, bob = world.person(loginname="ada"), world.person(loginname="bob", mail="b@example.com")
    for serial, owner in (("S1", ada), ("S2", ada), ("S3", bob)):
        world.device(serial=serial, owner=owner)
    ada.groups.add(group, other)
    bob.groups.add(other)
    shown = admin_client.get(reverse("groups"))
    assert [row.name for row in shown.context["rows"]] == ["Board", "Sales"]
    cells = [[str(cell) for cell in row.cells] for row in shown.context["rows"]]
    assert [("2<" in users, "3<" in devices, "by hand" in source) for _name, users, devices, source in cells] == [
        (True, True, True),
        (False, False, False),
    ]
    page = admin_client.get(reverse("group", args=[group.pk])).content.decode()
    assert "/devices/?group=Sales" in page
    assert [row.name for row in admin_client.get(f"{reverse('groups')}?source=hand").context["rows"]] == ["Board"]


def test_users_are_added_by_their_login_names_and_removed_by_a_tick(admin_client):
    group = Group.objects.create(name="Sales")
    ada, bob = world.person(loginname="ada"), world.person(loginname="Bob", mail="b@example.com")
    add, remove = reverse("group-add-users", args=[group.pk]), reverse("group-remove-users", args=[group.pk])
    refused = admin_client.post(add, {"loginnames": "ada\nnobody"})
    assert (refused.status_code, "nobody" in str(refused.context["form"].errors)) == (422, True)
    assert not group.people.exists()
    AuditEntry.objects.all().delete()
    assert admin_client.post(add, {"loginnames": "ada\n bob \nADA\n"}).status_code == 302
    assert set(group.people.all()) == {ada, bob}
    assert set(Change.objects.values_list("person", flat=True)) == {ada.pk, bob.pk}
    trail = AuditEntry.objects.order_by("pk").values_list("object_type", "after")
    assert list(trail)[-1] == ("devices.group", {"users added": 2})
    assert {kind for kind, _after in trail} == {"devices.group", "devices.person"}
    admin_client.post(remove, {"id": [str(ada.pk)], "scope": "ticked"})
    assert list(group.people.all()) == [bob]
    admin_client.post(remove, {"scope": "all", "query": "search=nobody"})
    assert list(group.people.all()) == [bob]
    admin_client.post(remove, {"scope": "all", "query": "search=bob"})
    assert not group.people.exists()


def test_a_deletion_says_who_loses_what_and_users_stay(admin_client):
    group, role = Group.objects.create(name="Sales"), Role.objects.create(name="Sales only")
    RoleRule.objects.create(role=role, limited=True)
    RoleScope.objects.create(role=role, group=group)
    ApiKey.objects.create(name="Shop", lookup="a", limited=True).groups.add(group)
    ada = world.person(loginname="ada")
    ada.groups.add(group)
    url = reverse("group-delete", args=[group.pk])
    asked = admin_client.get(url).content.decode()
    assert all(words in asked for words in ("Sales only", "Shop", "1 user is in it"))
    admin_client.post(url)
    assert not Group.objects.exists()
    ada.refresh_from_db()
    assert RoleRule.objects.get().limited, "and sees nobody from now on"


def test_who_is_limited_moves_users_between_own_groups_alone():
    sales, board, other = (Group.objects.create(name=name) for name in ("Sales", "Board", "Other"))
    ada, bob = world.person(loginname="ada"), world.person(loginname="bob", mail="b@example.com")
    ada.groups.add(sales)
    bob.groups.add(other)
    mine = GroupScope(frozenset({sales.pk, board.pk}))
    with pytest.raises(edits.ValidationError):
        edits.add_members(board, ["bob"], scope=mine, actor=ACTOR)
    with pytest.raises(edits.ValidationError):
        edits.remove_members(sales, [ada.pk], scope=mine, actor=ACTOR)
    assert edits.add_members(board, ["ada"], scope=mine, actor=ACTOR) == 1
    assert edits.remove_members(sales, [ada.pk, bob.pk], scope=mine, actor=ACTOR) == 1
    assert edits.remove_members(other, [bob.pk], scope=mine, actor=ACTOR) == 0
    assert edits.remove_members(other, [bob.pk], scope=EVERYBODY, actor=ACTOR) == 1
    assert list(ada.groups.all()) == [board]
