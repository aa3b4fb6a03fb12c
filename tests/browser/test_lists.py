"""Every list by keyboard alone, within its window, and without a row."""

import pytest
from playwright.sync_api import expect

from api.access import keys
from api.kit.callers import ApiScope
from console.kit.lists import ListPage
from devices.models import SavedFilter
from tests.browser import looks
from tests.browser.rest import at_rest, shown
from tests.browser.test_every_page import objects  # noqa: F401 - a fixture
from tests.db import world
from tests.db.console.test_every_page import address, patterns

LISTS = [
    pytest.param(pattern, id=pattern.name)
    for pattern in patterns()
    if issubclass(pattern.callback.view_class, ListPage)
]
PLACES = {"template-versions": 1, "group": 5}
"""Which of the objects a list is about, by the name of its address."""
REACHABLE = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']"
_FOUND = """(where) => [...document.querySelectorAll(`#content :is(${where})`)].filter(
    (one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled && !one.closest(".menu-items"))"""
COUNT = f"(where) => ({_FOUND})(where).length"
PLACE = f"(where) => ({_FOUND})(where).indexOf(document.activeElement)"
OUTLINED = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"


@pytest.fixture
def long(objects, admin_user):  # noqa: F811 - the fixture
    """Rows whose words are long."""
    for name in ("devices", "users"):
        words = f"Those {name} of the field service that nobody has seen for a month"
        SavedFilter.objects.create(owner=admin_user, page=name, name=words, query="search=field", shared=True)
    world.sms_gateway(name="Nexmo at the other side of the world", active=False)
    world.carrier_gateway(carrier="A carrier with quite a long name", domain="sms.quite-a-long-name.example")
    keys.create("Device management of the whole company", scopes=list(ApiScope), rate_limit=100, burst=200_000)
    return objects


def opened(page, pattern, objects, query=""):  # noqa: F811 - what the fixture made
    pk = {"pk": objects[PLACES[pattern.name]]} if "pk" in pattern.pattern.converters else {}
    page.goto(address(pattern, **pk) + query)
    at_rest(page)


@pytest.mark.parametrize("pattern", LISTS)
def test_everything_in_a_list_is_reached_by_the_keyboard_in_its_order(staff_page, long, pattern):
    opened(staff_page, pattern, long)
    staff_page.locator("main").focus()
    for place in range(staff_page.evaluate(COUNT, REACHABLE)):
        staff_page.keyboard.press("Tab")
        while staff_page.evaluate("() => document.activeElement.type === 'date'") and (
            staff_page.evaluate(PLACE, REACHABLE) < place
        ):
            staff_page.keyboard.press("Tab")  # the parts of a date are stops of their own
        assert staff_page.evaluate(PLACE, REACHABLE) == place
        assert staff_page.evaluate(OUTLINED)


@pytest.mark.parametrize("pattern", [one for one in LISTS if one.values[0].callback.view_class.orders])
def test_a_list_is_sorted_by_the_keyboard(staff_page, long, pattern):
    opened(staff_page, pattern, long, f"?sort=-{next(iter(pattern.callback.view_class.orders))}")
    heading = staff_page.locator("thead a").last
    heading.focus()
    staff_page.keyboard.press("Enter")
    expect(staff_page.locator("th[aria-sort]").last).to_have_attribute("aria-sort", "ascending")
    shown(staff_page.locator("thead a").last).focus()
    staff_page.keyboard.press("Enter")
    expect(staff_page.locator("th[aria-sort]").last).to_have_attribute("aria-sort", "descending")


@pytest.mark.parametrize("pattern", LISTS)
def test_no_list_scrolls_sideways_on_a_desk_or_a_phone(staff_page, long, show, pattern):
    opened(staff_page, pattern, long)
    for size, name in ((looks.DESK, "desk"), (looks.PHONE, "phone")):
        staff_page.set_viewport_size(size)
        at_rest(staff_page)
        show(staff_page, f"list-{pattern.name}-{name}")
        box = staff_page.locator(".scroll").evaluate("box => [box.scrollWidth, box.clientWidth]")
        assert box[0] <= box[1], name


def test_all_rows_of_a_page_are_ticked_at_once(staff_page, long):
    staff_page.goto("/log/")
    shown(staff_page.get_by_label("Tick all on this page")).check()
    boxes = staff_page.locator("tbody input[type=checkbox]")
    expect(boxes).to_have_count(3)
    assert all(box.is_checked() for box in boxes.all())


def test_a_list_without_a_row_has_no_fault_in_any_look(staff_page, show):
    for path, name in (("/settings/api-keys/", "empty"), ("/audit/?actor=nobody", "unfit")):
        staff_page.goto(path)
        looks.check(staff_page, show=show, name=f"list-{name}")
