"""The hand-written SQL on servers."""

from __future__ import annotations

from foundation.sql.statements import Statement

ACTIVE = Statement(
    "SELECT kind, id, revision, carriers_revision, CAST(created_at AS text) FROM servers_server WHERE active"
)
REVISION = "SELECT revision, created_at FROM servers_server WHERE id = %s"
