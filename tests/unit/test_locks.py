"""The check that holds each lock against its list."""

import pytest

from tests import locks

HASH = f"--hash=sha256:{'0' * 64}"
LIST = "lark==1.3.1\n"
LOCK = f"# made by: make lock\nlark==1.3.1 \\\n    {HASH}\n    # via -r requirements.txt\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "requirements.txt").write_text(LIST)
    (tmp_path / "requirements.lock").write_text(LOCK)
    return tmp_path


def problems(folder):
    return locks.problems(folder / "requirements.txt", lock=folder / "requirements.lock")


def test_those_of_this_checkout_agree():
    assert locks.all_problems(locks.ROOT) == []


def test_a_lock_that_agrees_has_no_problem(folder):
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("lark==1.3.2\n", "lark is 1.3.1 in requirements.lock, ==1.3.2 in requirements.txt"),
        ("lark==1.3.1\nidna==3.20\n", "idna is missing from requirements.lock"),
        ("lark>=1.3\n", "lark is not pinned in requirements.txt"),
        ("", "lark is in requirements.lock, and nothing requires it"),
    ],
)
def test_a_list_that_was_changed_alone_is_found(folder, listed, said):
    (folder / "requirements.txt").write_text(listed)
    assert any(said in each for each in problems(folder))


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        (LOCK.replace(f" \\\n    {HASH}", ""), "lark has no hash in requirements.lock"),
        (LOCK.replace("sha256", "md5"), "lark has no hash in requirements.lock"),
        ("--index-url https://packages.example.com/simple\n" + LOCK, "requirements.lock names a place"),
        (LOCK + f"idna @ https://example.com/idna.whl \\\n    {HASH}\n", "requirements.lock names a place"),
        (LOCK.replace("==", ">="), "lark is not pinned in requirements.lock"),
    ],
)
def test_a_lock_that_holds_too_little_is_found(folder, locked, said):
    (folder / "requirements.lock").write_text(locked)
    assert any(said in each for each in problems(folder))


def test_what_a_package_requires_has_to_be_locked(folder):
    (folder / "requirements.txt").write_text("kombu==5.7.0\n")
    (folder / "requirements.lock").write_text(f"kombu==5.7.0 \\\n    {HASH}\n")
    assert any("amqp, which kombu requires, is missing from requirements.lock" in each for each in problems(folder))


def test_what_only_an_extra_brings_is_required_where_the_list_names_the_extra(folder):
    names = [f"{name} \\\n    {HASH}\n" for name in ("psycopg==3.3.9", "typing-extensions==4.16.0")]
    (folder / "requirements.lock").write_text("".join(names))
    (folder / "requirements.txt").write_text("psycopg==3.3.9\n")
    assert not any("psycopg-binary" in each for each in problems(folder))
    (folder / "requirements.txt").write_text("psycopg[binary]==3.3.9\n")
    assert any("psycopg-binary, which psycopg requires" in each for each in problems(folder))
