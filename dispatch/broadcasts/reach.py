"""Whom a broadcast reaches and whom it does not, with the reason: what planning would store, counted and listed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from msgspec import Struct

from devices.models import Device, Person
from dispatch.broadcasts import planning
from dispatch.broadcasts.planning import Run
from dispatch.rules.plan import Planned
from foundation import formulas
from transports.types import ChannelKind

REACHED = "reached"
SAME_PERSON, SAME_ADDRESS = "same_person", "same_address"
"""Left out because the same person, or somebody else with the same address, gets the message already."""
_CHUNK = 1_000
COLUMNS = ("serial", "device", "loginname", "name", "channel", "address", "reason", "detail")


class Group(Struct, frozen=True):
    """Those of one channel whom it reaches, or leaves out for one reason (a ReasonCode, or one of the two above)."""

    channel: ChannelKind
    code: str
    number: int


class Reach(Struct, frozen=True):
    """`messages` is how many are sent, `people` to how many users, devices without one and typed addresses included.

    `several_devices` is how many users have more than one device among those it goes to.
    """

    messages: int
    people: int
    several_devices: int
    reached: Sequence[Group]
    left_out: Sequence[Group]


def of(run: Run) -> Reach:
    """Counts it; nothing is stored."""
    groups: dict[tuple[ChannelKind, str], int] = {}
    owners: dict[int, int] = {}
    several: set[int] = set()
    people: set[object] = set()
    for row, code in _judged(run):
        groups[row.channel, code] = groups.get((row.channel, code), 0) + 1
        if row.person_id and row.device_id and owners.setdefault(row.person_id, row.device_id) != row.device_id:
            several.add(row.person_id)
        if code == REACHED:
            people.add(row.person_id or (row.device_id, "" if row.device_id else row.to.address))
    found = [Group(channel, code, number) for (channel, code), number in groups.items()]
    found.sort(key=lambda group: (list(ChannelKind).index(group.channel), group.code))
    reached = [group for group in found if group.code == REACHED]
    return Reach(
        messages=sum(group.number for group in reached),
        people=len(people),
        several_devices=len(several),
        reached=reached,
        left_out=[group for group in found if group.code != REACHED],
    )


def exceeds(run: Run, most: int) -> bool:
    """Whether it sends more messages than this; counts no further."""
    reached = (row for row, code in _judged(run) if code == REACHED)
    return next(islice(reached, most, None), None) is not None


def as_csv(run: Run, *, channel: ChannelKind, code: str) -> Iterator[str]:
    """The lines of one group."""
    yield _line(COLUMNS)
    rows = (row for row, found in _judged(run) if row.channel is channel and found == code)
    while chunk := list(islice(rows, _CHUNK)):
        people = Person.objects.in_bulk([row.person_id for row in chunk if row.person_id])
        devices = Device.objects.in_bulk([row.device_id for row in chunk if row.device_id])
        for row in chunk:
            person, device = people.get(row.person_id or 0), devices.get(row.device_id or 0)
            yield _line(
                (
                    device.serial or device.imei if device else "",
                    str(device or ""),
                    person.loginname if person else "",
                    person.displayname if person else row.to.name,
                    row.channel.value,
                    row.to.address,
                    code,
                    row.reason_detail,
                )
            )


def _judged(run: Run) -> Iterator[tuple[Planned, str]]:
    """Each delivery with the group that it is in. What would be there already is a duplicate."""
    seen: dict[UUID, int | None] = {}
    for row in planning.outline(run):
        if row.id in seen:
            yield row, SAME_PERSON if seen[row.id] == row.person_id else SAME_ADDRESS
            continue
        seen[row.id] = row.person_id
        yield row, row.skip.code.value if row.skip else REACHED


def _line(cells: Sequence[Any]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([formulas.guarded(str(cell)) for cell in cells])
    return written.getvalue()
