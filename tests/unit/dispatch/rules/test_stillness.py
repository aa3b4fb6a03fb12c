"""What stands still, as a watcher with a clock of its own sees it."""

from dispatch.rules.stillness import Stillness


def test_a_value_stands_still_since_it_was_first_seen():
    watcher = Stillness()
    assert watcher.look({"a": 1}, at=100) == {"a": 0}
    assert watcher.look({"a": 1}, at=107) == {"a": 7}


def test_a_value_that_changes_begins_anew():
    watcher = Stillness()
    watcher.look({"a": 1, "b": 1}, at=100)
    assert watcher.look({"a": 2, "b": 1}, at=107) == {"a": 0, "b": 7}


def test_what_goes_and_comes_back_begins_anew():
    watcher = Stillness()
    watcher.look({"a": 1}, at=100)
    watcher.look({}, at=101)
    assert watcher.look({"a": 1}, at=107) == {"a": 0}


def test_a_watcher_that_was_blind_begins_anew():
    watcher = Stillness()
    watcher.look({"a": 1}, at=100)
    watcher.forget()
    assert watcher.look({"a": 1}, at=107) == {"a": 0}


def test_nothing_is_a_value_like_others():
    watcher = Stillness()
    watcher.look({"a": None}, at=100)
    assert watcher.look({"a": None}, at=107) == {"a": 7}
