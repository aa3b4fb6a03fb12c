"""A CSV file imported on the console, by a thread of the server."""

from devices.models import Device
from tests.browser import looks

FILE = {"name": "phones.csv", "mimeType": "text/csv", "buffer": b"serial,platform\nS7,ios\nS8,ANDROID\n"}


def test_a_file_is_checked_shown_and_imported_without_loading_the_page_again(staff_page, show):
    staff_page.goto("/devices/import/")
    staff_page.set_input_files("[name=file]", files=[FILE])
    staff_page.get_by_role("button", name="Check").click()
    staff_page.get_by_role("button", name="Import").wait_for()
    looks.check(staff_page, show=show, name="import-preview")
    assert not Device.objects.exists()
    staff_page.get_by_role("button", name="Import").click()
    staff_page.get_by_role("link", name="Show the list").wait_for()
    assert Device.objects.count() == 2
