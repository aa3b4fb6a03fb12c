"""The environment of the tests: a data folder and keys of their own, and nothing of an installation on this machine."""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import tempfile

_FOR_TESTS = (
    "XMNOTIFY_CHROMIUM",
    "XMNOTIFY_MACRO_INPUTS",
    "XMNOTIFY_REQUIRE_ALL",
    "XMNOTIFY_REQUIRE_BROWSER",
    "XMNOTIFY_SCREENSHOTS",
)
_SERVERS = {"TEST_DATABASE_URL": "DATABASE_URL", "TEST_BROKER_URL": "XMNOTIFY_BROKER_URL"}


def enter() -> None:
    """Make them this process's, until it ends. TEST_DATABASE_URL and TEST_BROKER_URL name servers to use."""
    var = tempfile.mkdtemp(prefix="xmnotify-test-")
    atexit.register(shutil.rmtree, var, ignore_errors=True)
    servers = {setting: os.environ[given] for given, setting in _SERVERS.items() if os.environ.get(given)}
    for name in [name for name in os.environ if _is_an_installations(name)]:
        del os.environ[name]
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "xmnotify.settings",
            "XMNOTIFY_VAR": var,
            "XMNOTIFY_SECRET_KEY": base64.urlsafe_b64encode(os.urandom(48)).decode(),
            "XMNOTIFY_FERNET_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        }
        | servers
    )


def _is_an_installations(name: str) -> bool:
    return name in {"DATABASE_URL", "DATABASE_URL_FILE"} or (name.startswith("XMNOTIFY_") and name not in _FOR_TESTS)
