"""Devices, users and groups, their imports, columns and saved filters without script."""

import threading

from playwright.sync_api import expect

from devices.models import Device, Group, ListColumns, Person, SavedFilter
from tests.browser.without_script import case, press, refused, says
from tests.db import world

DEVICES, USERS = "/devices/", "/users/"


def group(*logins, name="Sales"):
    made = Group.objects.create(name=name)
    made.people.set([world.person(loginname=login, mail=f"{login}@example.com", displayname="") for login in logins])
    return made


def worked(page):
    """The thread of an import has ended, and the page tells how."""
    for thread in threading.enumerate():
        if thread.name == "import":
            thread.join()
    page.reload()


@case("devices/add/", "devices/<int:pk>/edit/", "devices/<int:pk>/delete/")
def adding_changing_and_deleting_a_device(page):
    world.person(loginname="ada")
    page.goto(DEVICES)
    page.get_by_role("link", name="Add", exact=True).click()
    serial, properties = page.get_by_label("Serial number"), page.get_by_label("Properties")
    page.get_by_label("User").fill("ada")
    press(page, "Add")
    refused(page, serial, "Give the serial number or the IMEI.", typed="")
    expect(page.get_by_label("User")).to_have_value("ada")
    serial.fill("S7")
    press(page, "Add")
    says(page, "“S7” was added.")
    page.get_by_role("link", name="S7", exact=True).click()
    page.get_by_role("link", name="Edit").click()
    properties.fill("ROOM 12")
    press(page, "Save")
    refused(page, properties, "Line 1: write NAME=value.", typed="ROOM 12")
    properties.fill("ROOM=12")
    press(page, "Save")
    says(page, "“S7” was saved.")
    device = Device.objects.get()
    assert (device.person.loginname, device.properties) == ("ada", {"ROOM": "12"})
    page.get_by_role("link", name="Delete").click()
    press(page, "Delete")
    says(page, "“S7” was deleted.")
    assert not Device.objects.exists()


@case("users/add/", "users/<int:pk>/edit/", "users/<int:pk>/delete/")
def adding_changing_and_deleting_a_user(page):
    page.goto(USERS)
    page.get_by_role("link", name="Add", exact=True).click()
    login, mail = page.get_by_label("Login name"), page.get_by_label("Mail")
    page.get_by_label("Groups").fill("Sales")
    press(page, "Add")
    refused(page, login, "This field is required.", typed="")
    expect(page.get_by_label("Groups")).to_have_value("Sales")
    login.fill("ada")
    press(page, "Add")
    says(page, "“ada” was added.")
    page.get_by_role("link", name="ada", exact=True).click()
    page.get_by_role("link", name="Edit").click()
    mail.fill("ada at home")
    press(page, "Save")
    refused(page, mail, "This address can't be used: the part before @ is not valid.", typed="ada at home")
    mail.fill("ada@example.com")
    press(page, "Save")
    says(page, "“ada” was saved.")
    person = Person.objects.get()
    assert (person.mail, person.groups.get().name) == ("ada@example.com", "Sales")
    page.get_by_role("link", name="Delete").click()
    press(page, "Delete")
    says(page, "“ada” was deleted.")
    assert not Person.objects.exists()


@case("devices/delete/", "users/delete/")
def deleting_what_is_ticked_or_all(page):
    for number in (1, 2, 3):
        world.device(serial=f"S{number}", owner=world.person(loginname=f"u{number}", displayname=""))
    for path, key, noun, model in ((DEVICES, "S2", "device", Device), (USERS, "u2", "user", Person)):
        page.goto(path)
        press(page, "Delete")
        says(page, "Tick at least one row.")
        page.get_by_label(f"Tick {key}").check()
        press(page, "Delete")
        says(page, "1 will be deleted for good:")
        press(page, "Delete")
        says(page, f"1 {noun} was deleted.")
        assert model.objects.count() == 2
        page.get_by_label("What").select_option("all")
        press(page, "Delete")
        press(page, "Delete")
        says(page, f"2 {noun}s were deleted.")
        assert not model.objects.exists()


@case("groups/add/", "groups/<int:pk>/rename/", "groups/<int:pk>/delete/")
def adding_renaming_and_deleting_a_group(page):
    group(name="Taken")
    page.goto("/groups/")
    for link, button in (("Add group", "Add"), ("Rename", "Save")):
        page.get_by_role("link", name=link).click()
        page.get_by_label("Name").fill("Taken")
        press(page, button)
        refused(page, page.get_by_label("Name"), "already exists", typed="Taken")
        page.get_by_label("Name").fill(f"{button} it")
        press(page, button)
        says(page, f"“{button} it” was")
    assert sorted(Group.objects.values_list("name", flat=True)) == ["Save it", "Taken"]
    page.get_by_role("link", name="Delete").click()
    press(page, "Delete")
    says(page, "“Save it” was deleted.")
    assert Group.objects.get().name == "Taken"


@case("groups/<int:pk>/add/", "groups/<int:pk>/remove/")
def adding_users_to_a_group_and_removing_them(page):
    made = group("ada")
    world.person(loginname="eve", displayname="")
    page.goto(f"/groups/{made.pk}/")
    page.get_by_role("link", name="Add users").click()
    names = page.get_by_label("Login names")
    names.fill("nobody")
    press(page, "Add")
    refused(page, names, "No user has this login name: nobody.", typed="nobody")
    names.fill("ada\neve")
    press(page, "Add")
    says(page, "1 user was added.")
    assert made.people.count() == 2
    press(page, "Remove from the group")
    says(page, "Tick at least one user.")
    page.get_by_label("Tick ada").check()
    press(page, "Remove from the group")
    says(page, "1 user was removed.")
    assert made.people.get().loginname == "eve"


@case("devices/import/", "devices/import/<uuid:pk>/", "users/import/", "users/import/<uuid:pk>/")
def importing(page):
    known = {"FLOOR": "1"}
    world.device(properties=known, owner=world.person(properties=known))
    for path, bad, good in (
        (DEVICES, b"serial,platform\nS7,beos\n", b"serial,platform,device.ROOM\nS7,ios,12\n"),
        (USERS, b"loginname,room\nada,12\n", b"loginname,mail,user.ROOM\nada,ada@example.com,12\n"),
    ):
        page.goto(path)
        page.get_by_role("link", name="Import", exact=True).click()
        page.get_by_label("Separator").select_option("Comma")
        press(page, "Check")
        expect(page.locator("#id_file")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Separator")).to_have_value(",")
        for file in (bad, good):
            page.set_input_files("#id_file", files=[{"name": "a.csv", "mimeType": "text/csv", "buffer": file}])
            press(page, "Check")
            worked(page)
            if file is bad:
                says(page, "1 thing is wrong, so nothing can be imported.")
                press(page, "Check again")
                worked(page)
                page.get_by_role("link", name="Another file").click()
        page.get_by_label("They are meant").check()
        press(page, "Import")
        worked(page)
        says(page, "The file was imported.")
    assert (
        Device.objects.get(serial="S7").properties == Person.objects.get(loginname="ada").properties == {"ROOM": "12"}
    )


@case("devices/columns/", "users/columns/")
def choosing_columns(page):
    world.device(owner=world.person(loginname="ada"), carrier="Vodafone")
    for path, chosen in ((DEVICES, "Carrier"), (USERS, "Language")):
        page.goto(path)
        page.get_by_role("link", name="Columns").click()
        for box in page.get_by_role("checkbox").all():
            box.uncheck()
        page.get_by_role("checkbox", name=chosen).check()
        press(page, "Save")
        expect(page.get_by_role("columnheader")).to_contain_text([chosen])
    assert dict(ListColumns.objects.values_list("page", "names")) == {"devices": ["carrier"], "users": ["language"]}


@case(
    "devices/filters/add/", "devices/filters/<int:pk>/delete/", "users/filters/add/", "users/filters/<int:pk>/delete/"
)
def saving_and_deleting_a_filter(page):
    world.device(owner=world.person(loginname="ada", displayname=""))
    for path in (DEVICES, USERS):
        page.goto(path)
        page.get_by_label("Search").fill("a")
        press(page, "Filter")
        page.get_by_role("link", name="Save filter").click()
        name = page.get_by_label("Name")
        press(page, "Add")
        refused(page, name, "This field is required.", typed="")
        name.fill("Mine")
        press(page, "Add")
        says(page, "“Mine” was added.")
        expect(page.get_by_label("Search")).to_have_value("a")
    assert set(SavedFilter.objects.values_list("page", "query")) == {("devices", "search=a"), ("users", "search=a")}
    for path in (DEVICES, USERS):
        page.goto(path)
        page.locator("summary", has_text="Saved filters").click()
        page.get_by_role("link", name="Manage saved filters").click()
        page.get_by_role("link", name="Delete Mine").click()
        press(page, "Delete")
        says(page, "“Mine” was deleted.")
    assert not SavedFilter.objects.exists()
