"""The hand-written SQL on templates; each statement has the columns of `CURRENT`."""

from __future__ import annotations

from foundation.sql.statements import Statement

CURRENT = ("id", "name", "type", "predefined", "on_unknown", "lifetime", "current_id")
_CURRENT = f"""SELECT {", ".join(CURRENT)} FROM templates_app_notificationtemplate
    WHERE current_id IS NOT NULL AND deleted_at IS NULL"""  # noqa: S608 - names of columns only


def of_type(type_code: str) -> Statement:
    """Those of the type, by name."""
    return Statement(f"{_CURRENT} AND type = %s ORDER BY name", [type_code])


def named(name: str, *, number: int | None, uid: str | None) -> Statement:
    """The one with this name, else this number or uid."""
    return Statement(
        f"{_CURRENT} AND (name = %s OR id = %s OR uid = %s) ORDER BY name = %s DESC, name LIMIT 1",
        [name, number, uid, name],
    )
