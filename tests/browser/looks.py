"""What every page must be: without accessibility faults, light, dark and on a phone, and no wider than its window."""

from functools import cache
from pathlib import Path

import axe_playwright_python

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1366, "height": 860}


@cache
def _axe():
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def faults(page):
    """axe's violations, as rule and elements."""
    page.evaluate(_axe())
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})",
        _RULES,
    )
    return [(fault["id"], [node["html"][:160] for node in fault["nodes"]]) for fault in found["violations"]]


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def check(page, *, show, name):
    """No fault in light, dark and on a phone; pictures of each."""
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.set_viewport_size(DESK)
        show(page, f"{name}-{theme}")
        found = faults(page)
        assert not found, f"{name}, {theme}: {found}"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.set_viewport_size(PHONE)
    show(page, f"{name}-phone")
    found = faults(page)
    assert not found, f"{name}, phone: {found}"
    assert overflow(page) == 0, f"{name} is wider than a phone"
    page.set_viewport_size(DESK)
