"""The hand-written SQL on devices and users."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from foundation.sql import dialect
from foundation.sql.statements import Statement

LOOKED_AT = 5_000
"""Names of properties are those of the latest so many rows."""


def values(table: str, ids: Collection[int], *, columns: Sequence[str]) -> Statement:
    """Of each row its id, its properties as a text and these columns."""
    wanted = ", ".join(map(str, ids))  # numbers: reading them out of one text costs less than as many parameters
    selected = f"SELECT id, CAST(properties AS text), {', '.join(columns)} FROM {table} WHERE id"  # noqa: S608 - our names
    if dialect.is_postgresql():
        return Statement(f"{selected} = ANY(%s)", [f"{{{wanted}}}"])
    return Statement(f"{selected} IN ({wanted})", prepare=False)


def people(
    key: str, among: Sequence[str], *, columns: Sequence[str], groups: Collection[int] | None = None
) -> Statement:
    """The users whose `uid` or `loginname` is one of these: the key, then these columns. With `groups`, their ids,
    those of these alone.
    """
    fold = "" if key == "uid" else "lower"
    members = _members(groups)
    selected = f"SELECT p.{key}, {_of('p', columns)} FROM devices_person p WHERE {members} {fold}(p.{key}) IN"  # noqa: S608 - our names
    return _one_of(selected, among, placeholder=f"{fold}(%s)")


def devices(
    key: str,
    among: Sequence[str],
    *,
    columns: Sequence[str],
    of_owner: Sequence[str],
    groups: Collection[int] | None = None,
) -> Statement:
    """The devices whose `uid`, `serial` or `imei` is one of these, the newest first: the key, then these columns of
    the device and of its user. With `groups`, their ids, those of the users of these alone.
    """
    indexed = "" if key == "uid" else f"NOT (d.{key} = '') AND"  # else a plan for any value can't use the index
    selected = f"""SELECT d.{key}, {_of("d", columns)}, {_of("p", of_owner)}
        FROM devices_device d LEFT JOIN devices_person p ON p.id = d.person_id
        WHERE {_members(groups)} {indexed} d.{key} IN"""  # noqa: S608
    return _one_of(selected, among, order="ORDER BY d.id DESC")


def live_tokens(device_ids: Sequence[int]) -> Statement:
    """Device, kind and token of the push tokens of these devices that were not refused."""
    selected = "SELECT device_id, kind, token FROM devices_pushtoken WHERE dead_at IS NULL AND device_id IN"
    return _one_of(selected, device_ids, order="ORDER BY id")


def property_names(table: str) -> Statement:
    """The names of the properties of the latest rows."""
    names = "jsonb_object_keys(properties)" if dialect.is_postgresql() else "key"
    source = "latest" if dialect.is_postgresql() else "latest, json_each(latest.properties)"
    return Statement(
        f"""WITH latest AS (SELECT properties FROM {table} ORDER BY id DESC LIMIT {LOOKED_AT})
        SELECT DISTINCT {names} FROM {source}"""  # noqa: S608 - constants of ours only
    )


def _members(groups: Collection[int] | None) -> str:
    """The condition that the user `p` is in one of these groups; nothing for None."""
    if groups is None:
        return ""
    among = ", ".join(map(str, sorted(groups))) or "NULL"
    return f"p.id IN (SELECT person_id FROM devices_person_groups WHERE group_id IN ({among})) AND"  # noqa: S608 - numbers


def _of(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in columns)


def _one_of(selected: str, among: Sequence[str | int], *, placeholder: str = "%s", order: str = "") -> Statement:
    places = ", ".join([placeholder] * len(among))
    return Statement(f"{selected} ({places}) {order}", among, prepare=len(among) == 1)
