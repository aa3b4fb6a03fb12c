"""Saved filters and chosen columns of the lists of devices and users."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.urls import reverse

from devices import edits
from devices.models import ListColumns, SavedFilter
from devices.scope import EVERYBODY
from foundation.models import AuditEntry
from tests.db.world import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _known():
    cache.clear()  # the names of properties are kept a while
    everywhere = {"scope": EVERYBODY, "country": ""}
    edits.save_user("loginname", "ada", {"groups": ["Sales"], "mail": "ada@example.com"}, **everywhere)
    given = {"user": "ada", "properties": {"ROOM": "4.12"}, "carrier": "EE"}
    edits.save_device("serial", "S1", given, **everywhere, now=NOW)


@pytest.fixture
def looker(client):
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_device", "view_person"]))
    client.force_login(user)
    return client


def labels(answer):
    return [str(heading.label) for heading in answer.context["headings"]]


def menu(answer):
    return {str(button.label): button.url for menu in answer.context["menus"] for button in menu.buttons}


def test_chosen_columns_are_those_of_the_list_and_of_its_csv_for_who_chose_them_alone(looker, admin_client):
    usual = labels(admin_client.get(reverse("devices")))
    looker.post(reverse("devices-columns"), {"names": ["carrier", "groups", "device.ROOM"]})
    shown = looker.get(reverse("devices"))
    assert labels(shown) == ["Device", "Carrier", "Groups", "ROOM"]
    assert shown.context["rows"][0].cells[1] == "<td>EE</td>"
    lines = b"".join(looker.get(reverse("devices-export")).streaming_content).decode().splitlines()
    assert lines == ["serial,imei,name,carrier,device.ROOM", "S1,,,EE,4.12"]
    assert labels(admin_client.get(reverse("devices"))) == usual
    looker.post(reverse("devices-columns"))
    assert labels(looker.get(reverse("devices"))) == usual
    assert not ListColumns.objects.exists()


def test_a_column_that_there_is_none_of_is_refused_and_one_that_went_is_left_out(looker):
    assert looker.post(reverse("devices-columns"), {"names": ["password"]}).status_code == 422
    ListColumns.objects.create(owner=User.objects.get(), page="devices", names=["gone", "carrier"])
    assert labels(looker.get(reverse("devices"))) == ["Device", "Carrier"]


def test_everything_as_csv_is_what_an_import_takes_back(admin_client):
    for page, lines in (("devices", "S1;;;carrier;EE;user;ada;ROOM;4.12\n"), ("users", "ada;mail;ada@example.com\n")):
        answer = admin_client.get(reverse(f"{page}-export") + "?all=1")
        assert b"".join(answer.streaming_content).decode() == lines


def test_the_filters_of_the_manual_are_there_for_everybody(looker):
    found = menu(looker.get(reverse("devices")))
    for name in ("All iOS devices", "Out of compliance", "Employee-owned"):
        assert looker.get(found[name]).context["filtered"]


def test_a_filter_is_saved_for_oneself_or_for_all(looker, admin_client):
    page = reverse("devices-filter-add")
    query = looker.get(f"{page}?carrier=EE&sort=access&after=50&platform=beos").context["form"]["query"].value()
    assert query == "carrier=EE"
    for name, shared in (("Mine", ""), ("Ours", "on")):
        answer = looker.post(page, {"name": name, "query": "carrier=EE&after=7", "shared": shared})
        assert answer["Location"] == reverse("devices") + "?carrier=EE"
    assert menu(looker.get(reverse("devices")))["Mine"] == reverse("devices") + "?carrier=EE"
    found = menu(admin_client.get(reverse("devices")))
    assert "Ours" in found
    assert "Mine" not in found
    assert AuditEntry.objects.filter(action="add", object_type="devices.savedfilter").count() == 2


def test_a_name_twice_and_a_filter_of_nothing_are_refused(looker):
    page = reverse("devices-filter-add")
    looker.post(page, {"name": "Mine", "query": "carrier=EE"})
    assert looker.post(page, {"name": "Mine", "query": "carrier=O2"}).context["form"].errors.keys() == {"name"}
    assert looker.post(page, {"name": "Other", "query": "after=7"}).status_code == 422
    assert SavedFilter.objects.count() == 1


def test_only_its_owner_or_who_may_deletes_a_shared_filter(looker, admin_client):
    admin = User.objects.get(username="admin")
    own, shared = (
        SavedFilter.objects.create(owner=admin, page="devices", name=name, query="carrier=EE", shared=name == "b")
        for name in "ab"
    )
    for row in (own, shared):
        assert looker.post(reverse("devices-filter-delete", args=[row.pk])).status_code == 404
    mine = SavedFilter.objects.create(owner=User.objects.get(username="looker"), page="devices", name="c", query="x=y")
    assert looker.post(reverse("devices-filter-delete", args=[mine.pk])).status_code == 302
    assert admin_client.post(reverse("devices-filter-delete", args=[shared.pk])).status_code == 302
    assert list(SavedFilter.objects.values_list("name", flat=True)) == ["a"]
