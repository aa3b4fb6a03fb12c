"""Whose eyes the data folder is for."""

import os
import stat

import pytest

from xmnotify import private_files


def modes(folder):
    return {stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


@pytest.fixture
def open_folder(tmp_path):
    """As somebody else made it, with files of an earlier version in it."""
    var = tmp_path / "var"
    inner = var / "log"
    inner.mkdir(parents=True)
    for path in (var / "xmnotify.sqlite3", inner / "web.log"):
        path.write_text("x")
        path.chmod(0o644)
    (var / "run").write_text("x")
    (var / "run").chmod(0o755)
    for path in (inner, var):
        path.chmod(0o775)
    return var


def test_what_is_there_becomes_private(open_folder):
    private_files.tighten(open_folder)
    assert stat.S_IMODE(open_folder.stat().st_mode) == 0o700
    assert modes(open_folder) == {0o600, 0o700}
    assert stat.S_IMODE((open_folder / "log" / "web.log").stat().st_mode) == 0o600


def test_a_link_leads_nowhere_else(open_folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    elsewhere.chmod(0o644)
    (open_folder / "link").symlink_to(elsewhere)
    private_files.tighten(open_folder)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


def test_what_is_made_from_now_on_is_private(tmp_path):
    before = os.umask(0o022)
    try:
        private_files.from_now_on()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_text("x")
        assert modes(tmp_path) == {0o600, 0o700}
    finally:
        os.umask(before)
