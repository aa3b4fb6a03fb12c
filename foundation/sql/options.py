"""What PostgreSQL's client library takes as parameters of a connection."""

from __future__ import annotations

from psycopg.pq import Conninfo


def unknown(names: set[str]) -> list[str]:
    """Those of the names that it would refuse, sorted."""
    return sorted(names - {option.keyword.decode() for option in Conninfo.get_defaults()})
