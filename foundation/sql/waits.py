"""How long a process whose callers wait lets a database keep it waiting."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

SECONDS = 5
"""For a lock, or for a connection."""
_NETWORK = {"connect_timeout": SECONDS, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}
"""Of libpq: a server that vanished is noticed in 20 seconds."""


def bound() -> None:
    """From the next connection on, in this process; what the operator has chosen stays."""
    options = settings.DATABASES[DEFAULT_DB_ALIAS].setdefault("OPTIONS", {})
    if settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"].endswith("sqlite3"):
        options["timeout"] = min(SECONDS, options.get("timeout", SECONDS))
        return
    for name, seconds in _NETWORK.items():
        options.setdefault(name, seconds)
    connection_created.connect(_bound_locks, dispatch_uid="foundation.waits")


def _bound_locks(*, connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Not behind a transaction-mode pooler, where the next client would have it too."""
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return
    with connection.connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false) WHERE current_setting('lock_timeout') = '0'",
            [f"{SECONDS}s"],
        )
