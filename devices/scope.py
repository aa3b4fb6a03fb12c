"""Whose users and devices somebody may see: all, or those of some groups (docs/decisions/limited-to-groups.md); pure.

Whatever reads people, or what was sent to them, for somebody takes a GroupScope and hands it to `within` of the rows;
`devices.limits` finds that of an administrator, an API key brings its own.
"""

from __future__ import annotations

from msgspec import Struct


class GroupScope(Struct, frozen=True):
    """`groups` are ids; None is everybody, also those in no group."""

    groups: frozenset[int] | None = None

    @property
    def is_limited(self) -> bool:
        return self.groups is not None

    @property
    def key(self) -> str:
        """What figures of it are kept under."""
        return "all" if self.groups is None else ",".join(map(str, sorted(self.groups)))

    def covers(self, group_ids: frozenset[int]) -> bool:
        """Whether a user in these groups is one of them."""
        return self.groups is None or not self.groups.isdisjoint(group_ids)


EVERYBODY = GroupScope()
