"""Waiting for rest waits for everything that moves, and for nothing that goes on for ever."""

import re

import pytest
from playwright.sync_api import Error

from tests.browser import looks
from tests.browser.rest import at_rest

DONE = "document.title = 'done'"
SCRIPTS = {
    "a timer": f"() => {{ setTimeout(() => {{ {DONE} }}, 400) }}",
    "a request and what follows": f"""() => {{
        fetch('/healthz').then((answer) => answer.text()).then(() => setTimeout(() => {{ {DONE} }}, 200));
    }}""",
    "an older request": f"""() => {{
        const request = new XMLHttpRequest();
        request.open('GET', '/healthz');
        request.onload = () => setTimeout(() => {{ {DONE} }}, 200);
        request.send();
    }}""",
    "an animation": f"""() => {{
        const moves = document.body.animate([{{ opacity: 0 }}, {{ opacity: 1 }}], {{ duration: 400 }});
        moves.finished.then(() => {{ {DONE} }});
    }}""",
    "a frame": f"""() => {{
        document.body.insertAdjacentHTML('beforeend', '<iframe name="f"></iframe><form action="/f" target="f"></form>');
        document.querySelector('iframe').addEventListener('load', () => {{ {DONE} }});
        document.querySelector('form[target=f]').submit();
    }}""",
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_it_waits_for(staff_page, what):
    staff_page.route(re.compile(r"/f\?$"), lambda route: route.fulfill(body="framed"))
    staff_page.goto("/settings/about/")
    staff_page.evaluate(SCRIPTS[what])
    at_rest(staff_page)
    assert staff_page.title() == "done"


@pytest.mark.parametrize(
    "script",
    [
        "() => { location.href = '/log/' }",
        """() => {
            document.body.insertAdjacentHTML('beforeend', '<form id="goes" action="/log/"></form>');
            document.getElementById('goes').requestSubmit();
        }""",
        "() => { setTimeout(() => { location.href = '/log/' }, 200) }",
    ],
)
def test_it_follows_to_the_next_page(staff_page, script):
    staff_page.goto("/settings/about/")
    staff_page.evaluate(script)
    at_rest(staff_page)
    assert staff_page.url.partition("?")[0].endswith("/log/")


def test_a_new_size_has_its_effect(staff_page):
    staff_page.goto("/settings/about/")
    staff_page.evaluate("() => addEventListener('resize', () => { document.title = innerWidth })")
    for size in (looks.PHONE, looks.DESK, looks.ZOOMED):
        staff_page.set_viewport_size(size)
        at_rest(staff_page)
        assert staff_page.title() == str(size["width"])


def test_what_goes_on_for_ever_is_named_when_it_is_short_and_stopped_when_it_is_long(staff_page):
    staff_page.goto("/settings/about/")
    staff_page.evaluate("() => setTimeout(() => { document.title = 'late' }, 15_000)")
    staff_page.evaluate("() => document.body.animate([{ opacity: 0 }], { duration: 100, iterations: Infinity })")
    at_rest(staff_page)
    staff_page.evaluate("() => { const again = () => setTimeout(again, 100); again() }")
    with pytest.raises(Error, match="not at rest: a timer of 100 ms"):
        at_rest(staff_page, limit=500)
