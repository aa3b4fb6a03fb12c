"""`python -m tests.locks`: whether each lock agrees with its list of direct requirements. Asks no index.

What a package requires is read from what is installed, so packages that only another system needs are looked at for
their pin and hash alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
_PAIRS = (("requirements.txt", "requirements.lock"), ("requirements-dev.txt", "requirements-dev.lock"))
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)")


def main() -> int:
    found = all_problems(ROOT)
    for problem in found:
        print(f"{problem}: run make lock.")
    return int(bool(found))


def all_problems(root: Path) -> list[str]:
    return [problem for listed, lock in _PAIRS for problem in problems(root / listed, lock=root / lock)]


def problems(listed: Path, *, lock: Path) -> list[str]:
    """A sentence without its full stop for everything that is wrong with the lock of that list."""
    direct, found = list(_listed(listed)), list[str]()
    locked: dict[NormalizedName, Requirement] = {}
    for line in _entries(lock):
        text, _, hashes = line.partition("--hash=")
        try:
            entry = Requirement(text)
        except InvalidRequirement:
            entry = None
        if entry is None or entry.url:
            found.append(f"{lock.name} names a place, or can't be read: {line[:60]}")
            continue
        locked[canonicalize_name(entry.name)] = entry
        if not _HASH.search(f"--hash={hashes}"):
            found.append(f"{entry.name} has no hash in {lock.name}")
    found += [f"{each.name} is not pinned in {listed.name}" for each in direct if not _pin(each)]
    found += [f"{each.name} is not pinned in {lock.name}" for each in locked.values() if not _pin(each)]
    found += _differing(direct, locked, listed=listed.name, lock=lock.name)
    return found + list(_unlike_what_is_required(direct, locked, lock=lock.name))


def _differing(
    direct: list[Requirement], locked: dict[NormalizedName, Requirement], *, listed: str, lock: str
) -> Iterator[str]:
    for each in direct:
        entry = locked.get(canonicalize_name(each.name))
        if entry is None:
            yield f"{each.name} is missing from {lock}"
        elif not each.specifier.contains(_pin(entry), prereleases=True):
            yield f"{each.name} is {_pin(entry)} in {lock}, {each.specifier} in {listed}"


def _unlike_what_is_required(
    direct: list[Requirement], locked: dict[NormalizedName, Requirement], *, lock: str
) -> Iterator[str]:
    """The lock against all that is required here: directly, or by something that is."""
    required: set[NormalizedName] = set()
    waiting = [(each, "the list") for each in direct]
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    while waiting:
        each, by = waiting.pop()
        name, extras = canonicalize_name(each.name), frozenset(each.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        required.add(name)
        if name not in locked and by != "the list":
            yield f"{name}, which {by} requires, is missing from {lock}"
        waiting += [(needed, name) for needed in _required_by(name, extras=extras)]
    for name, entry in locked.items():
        if name not in required and _is_for_here(entry, extras=frozenset()):
            yield f"{name} is in {lock}, and nothing requires it"


def _required_by(name: str, *, extras: frozenset[str]) -> Iterator[Requirement]:
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        requirement = Requirement(text)
        if _is_for_here(requirement, extras=extras):
            yield requirement


def _is_for_here(requirement: Requirement, *, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def _pin(requirement: Requirement) -> str:
    """The one version that it names; empty where it leaves a choice."""
    pins = [each.version for each in requirement.specifier if each.operator == "==" and "*" not in each.version]
    return pins[0] if len(pins) == 1 and len(requirement.specifier) == 1 else ""


def _listed(path: Path) -> Iterator[Requirement]:
    for line in _entries(path):
        if line.startswith("-r "):
            yield from _listed(path.parent / line[3:].strip())
        else:
            yield Requirement(line)


def _entries(path: Path) -> Iterator[str]:
    """The lines without comments, those that go on in the next one put together."""
    without_comments = re.sub(r"^\s*#.*\n?", "", path.read_text(), flags=re.MULTILINE)
    for line in without_comments.replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.strip()


if __name__ == "__main__":
    sys.exit(main())
