"""Rooms that answer somebody read users, devices and what was sent to them within that person's scope alone."""

import ast
from collections.abc import Iterator

import pytest

from xmnotify import env

ROOMS = (
    "api/v1",
    "devices/pages",
    "devices/exports.py",
    "devices/selection.py",
    "devices/coverage.py",
    "dispatch/console.py",
    "dispatch/dashboard/figures.py",
    "dispatch/dashboard/views.py",
    "dispatch/intake/sends.py",
    "dispatch/log",
    "dispatch/notify",
    "templates_app/pages",
    "templates_app/texts/preview.py",
)
MODELS = {"Device", "Person", "Group", "Delivery", "Event", "Broadcast"}
EXCEPTED = {
    "api/v1/deliveries.py: Device.objects.filter": "a key of the filter; the rows are within",
    "api/v1/deliveries.py: Person.objects.filter": "a key of the filter; the rows are within",
    "api/v1/deliveries.py: Event.objects.filter": "the index of the subjects; the rows are within",
    "api/v1/deliveries.py: Delivery.objects.values_list": "the state of a row that was found within",
    "api/v1/events.py: Event.objects.filter": "what the same key posted, or of the users of a scope",
    "devices/pages/editing.py: Device.objects.filter": "that a key is taken",
    "devices/pages/editing.py: Person.objects.filter": "that a key is taken",
    "devices/selection.py: Device.objects.filter": "of users within",
    "devices/selection.py: Person.objects.filter": "of devices within",
    "devices/selection.py: Device.objects.exclude": "the versions there are",
    "dispatch/console.py: Broadcast.objects.in_bulk": "of rows that were found within",
    "dispatch/dashboard/figures.py: Delivery.objects.filter": "how long a server lets wait, for its banner",
    "dispatch/dashboard/views.py: Device.objects.exists": "whether anything is set up",
    "dispatch/dashboard/views.py: Person.objects.exists": "whether anything is set up",
    "dispatch/dashboard/views.py: Delivery.objects.exists": "whether anything is set up",
    "dispatch/intake/sends.py: Event.objects.get": "of the sender's own key",
    "dispatch/intake/sends.py: Event.objects.filter": "of the sender's own key, and of its own broadcast",
    "dispatch/notify/watch_views.py: Event.objects.filter": "of a broadcast that was found within",
    "dispatch/log/search.py: Delivery.objects.only": "narrowed by whoever calls it",
    "dispatch/log/search.py: Event.objects.filter": "the index of the subjects; the rows are within",
    "dispatch/log/trial_views.py: Delivery.objects.filter": "of who is limited the own tests alone",
}
"""What reads past `within`, and why nobody sees by it what is not theirs."""


def reads(source: str) -> Iterator[str]:
    """The reads of these models that do not begin with `within`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "objects":
            model = node.value.value
            if isinstance(model, ast.Name) and model.id in MODELS and node.attr != "within":
                yield f"{model.id}.objects.{node.attr}"


def found() -> set[str]:
    paths = [env.ROOT / room for room in ROOMS]
    files = [file for path in paths for file in ([path] if path.suffix else sorted(path.rglob("*.py")))]
    return {f"{file.relative_to(env.ROOT)}: {each}" for file in files for each in reads(file.read_text())}


def test_nothing_is_read_past_the_scope():
    assert found() == set(EXCEPTED)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_read_past_the_scope_is_seen(model):
    assert list(reads(f"def page(): return {model}.objects.filter(pk=1)")) == [f"{model}.objects.filter"]
    assert not list(reads(f"def page(scope): return {model}.objects.within(scope).filter(pk=1)"))
