"""The files that the parts of the quick start write into without knowing it."""

import os

from xmnotify.quickstart import log_files


def test_a_file_that_grew_is_kept_once_and_goes_on_empty_under_the_same_name(tmp_path):
    path = tmp_path / "web.log"
    descriptor = log_files.opened(path)
    os.write(descriptor, b"x" * log_files.LARGEST)
    log_files.rotate(path)
    assert path.stat().st_size == log_files.LARGEST
    os.write(descriptor, b"one line more\n")
    log_files.rotate(path)
    os.write(descriptor, b"after\n")
    assert path.read_bytes() == b"after\n"
    older = tmp_path / "web.log.1"
    assert older.read_bytes().endswith(b"xone line more\n")
    os.write(descriptor, b"y" * log_files.LARGEST)
    log_files.rotate(path)
    assert older.read_bytes().startswith(b"after\nyyy")
    assert {each.name for each in tmp_path.iterdir()} == {"web.log", "web.log.1"}
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    os.close(descriptor)


def test_a_file_that_is_not_there_yet_is_no_trouble(tmp_path):
    log_files.rotate(tmp_path / "web.log")
    assert not list(tmp_path.iterdir())
