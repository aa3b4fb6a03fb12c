"""Which values of an event's data are secret, taken out of it before it is stored, and put back to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

NAMES = frozenset({"pin", "otp", "passcode", "password", "secret", "token"})
"""Names of members that hold a secret, at any depth of `data` of any event; the case of letters does not count."""
ENROLLMENT_NAMES = NAMES | {"url"}
"""The same for events of enrollment."""
MASK = "••••••"
_ENROLLMENT = "enrollment."
Path = Sequence[str | int]


def names(type_code: str) -> frozenset[str]:
    return ENROLLMENT_NAMES if type_code.startswith(_ENROLLMENT) else NAMES


def taken_out(data: Mapping[str, Any], *, type_code: str) -> tuple[Mapping[str, Any], list[tuple[Path, Any]]]:
    """`data` with its secrets masked, and each of them with its path. Empty ones stay: they give nothing away."""
    secrets = list(_found(data, names=names(type_code), path=()))
    return (_replaced(data, secrets, by=lambda _value: MASK) if secrets else data), secrets


def put_back(data: Mapping[str, Any], secrets: Iterable[tuple[Path, Any]]) -> Mapping[str, Any]:
    """`data` as it was before they were taken out."""
    return _replaced(data, list(secrets), by=lambda value: value)


def replaced(data: Mapping[str, Any], *, type_code: str, by: Callable[[Any], Any]) -> Mapping[str, Any]:
    """`data` with something made of each secret in its place."""
    secrets = list(_found(data, names=names(type_code), path=()))
    return _replaced(data, secrets, by=by) if secrets else data


def macros(path: Path) -> frozenset[str]:
    """The names by which a text can use the secret, or what is around it where it has none of its own."""
    parts = []
    for part in path:
        if not isinstance(part, str) or "." in part:
            break
        parts.append(part)
    return frozenset({".".join(("event.data", *parts)), ".".join(parts) or "event.data"})


def _found(value: Any, *, names: frozenset[str], path: tuple[str | int, ...]) -> Iterator[tuple[Path, Any]]:
    members = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        if isinstance(name, str) and name.casefold() in names:
            if member not in (None, "", [], {}) and not isinstance(member, bool):
                yield (*path, name), member
        elif isinstance(member, dict | list):
            yield from _found(member, names=names, path=(*path, name))


def _replaced(data: Mapping[str, Any], secrets: list[tuple[Path, Any]], *, by: Callable[[Any], Any]) -> dict[str, Any]:
    """A copy along the paths alone."""
    made: dict[str, Any] = dict(data)
    copied: dict[Path, Any] = {(): made}
    for path, value in secrets:
        for depth in range(1, len(path)):
            here = tuple(path[:depth])
            if here not in copied:
                around = copied[here[:-1]]
                around[here[-1]] = copied[here] = around[here[-1]].copy()
        copied[tuple(path[:-1])][path[-1]] = by(value)
    return made
