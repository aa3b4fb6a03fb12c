"""What every page must be: without accessibility faults in every look, and no wider than its window."""

from functools import cache
from pathlib import Path

import axe_playwright_python

from tests.browser.rest import at_rest

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What a theme decides; the elements are the same in both."""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1366, "height": 860}
ZOOMED = {"width": 683, "height": 430}
"""What a window of DESK's size has at 200 % zoom."""

LOOKS = (
    ("light", "light", DESK, "none"),
    ("dark", "dark", DESK, "none"),
    ("forced", "light", DESK, "active"),
    ("zoomed", "light", ZOOMED, "none"),
    ("phone", "light", PHONE, "none"),
)


@cache
def _axe():
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def faults(page, *, only=None):
    """axe's violations, as rule and elements."""
    at_rest(page)
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    found = page.evaluate(
        "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})",
        only or {"type": "tag", "values": _RULES},
    )
    return [(fault["id"], [node["html"][:160] for node in fault["nodes"]]) for fault in found["violations"]]


def overflow(page):
    at_rest(page)
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def weight(page, path):
    """The bytes of all that a browser without a cache gets to show this page."""
    answers = []

    def keep(answer):
        answers.append(answer)

    page.on("response", keep)
    page.goto(path)
    at_rest(page)
    return sum(len(answer.body()) for answer in answers)


def check(page, *, show, name):
    """No fault in light, dark and on a phone, in no look wider than its window; pictures of each."""
    for look, theme, size, forced in LOOKS:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.emulate_media(forced_colors=forced)
        page.set_viewport_size(size)
        show(page, f"{name}-{look}")
        if look not in {"forced", "zoomed"}:  # the same elements as in the light, and colours that the browser chose
            found = faults(page, only=_OF_COLOURS if look == "dark" else None)
            assert not found, f"{name}, {look}: {found}"
        assert overflow(page) == 0, f"{name}, {look}: it is wider than its window"
    page.emulate_media(forced_colors="none")
    page.set_viewport_size(DESK)
