import base64

import pytest

from xmnotify.quickstart import keys


def test_missing_keys_are_made_once_and_for_their_owner_only(tmp_path):
    var = tmp_path / "deep" / "var"
    keys.make_missing(var)
    made = {path.name: path.read_text() for path in var.iterdir()}
    assert set(made) == {"secret_key", "fernet_keys"}
    assert len(base64.urlsafe_b64decode(made["fernet_keys"].strip())) == 32
    assert {path.stat().st_mode & 0o777 for path in var.iterdir()} == {0o600}
    keys.make_missing(var)
    assert {path.name: path.read_text() for path in var.iterdir()} == made


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XMNOTIFY_VAR", str(tmp_path / "file" / "var"))
    with pytest.raises(SystemExit, match=r"can't be written \(Not a directory\): fix that, or set XMNOTIFY_VAR"):
        keys.main()
