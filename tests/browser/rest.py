"""When a page is at rest. What is measured, photographed or read once is so at rest; all else waits by itself."""

from pathlib import Path

from playwright.sync_api import Error

SCRIPT = Path(__file__).with_name("at_rest.js")
"""Has to be put into every page of a context."""
_LIMIT = 60_000
_LEFT = ("Execution context was destroyed", "Cannot find context")
"""What Playwright says when the page went to another in the middle."""


def at_rest(page, *, limit=_LIMIT):
    """Return once nothing is on its way and nothing moves.

    On its way are requests, timers, frames, a form that was sent and a link that was followed: after a click this is
    about what the click led to. What moves are fonts, pictures, animations and the window's size. After `limit`
    milliseconds Playwright's Error names what still does.
    """
    while True:
        page.wait_for_load_state()
        try:
            page.evaluate("([width, limit]) => atRest(width, limit)", [page.viewport_size["width"], limit])
        except Error as error:
            if not any(words in error.message for words in _LEFT):
                raise
        else:
            return


def shown(element):
    """The element, once it is to be seen and its page is at rest.

    Before that, a link or a form of a page that has only just come may not have its script yet, and leads elsewhere.
    """
    element.wait_for()
    at_rest(element.page)
    return element
