"""What should have stood in a place of a body, in plain words instead of msgspec's names of types."""

from __future__ import annotations

import re

TIME = "a time with its zone, such as 2026-11-22T14:00:00Z"
_ID = "an id such as 01a20457-3f09-746b-90d3-dba1359cf3e3"
_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "datetime": TIME,
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "a text",
    "uuid": _ID,
}
_GOT = {**_WORDS, "float": "a decimal number"}
_MEMBERS = {"str": "character", "array": "member", "object": "member"}
_EXPECTED = re.compile(
    r"Expected `([a-z |]+)`(?:, got `([a-z]+)`| (of length )?([<>]=) ([0-9.]+)| with a timezone component)?"
)
_OTHERS = {"Invalid RFC3339 encoded datetime": f"Give {TIME}.", "Invalid UUID": f"Give {_ID}."}


def plain(message: str) -> str:
    """A message of msgspec (0.22) as a sentence; one that is not known as it is."""
    if message in _OTHERS:
        return _OTHERS[message]
    found = _EXPECTED.fullmatch(message)
    names = found[1].split(" | ") if found else []
    if found is None or not _WORDS.keys() >= {*names, found[2] or "null"}:
        return f"{message}."
    wanted = " or ".join(filter(None, [", ".join(_WORDS[name] for name in names[:-1]), _WORDS[names[-1]]]))
    if found[2]:
        return f"Give {wanted}, not {_GOT[found[2]]}."
    if found[4] is None:
        return f"Give {wanted}."
    bound = f"{'at most' if found[4] == '<=' else 'at least'} {found[5]}"
    if found[3] is None:
        return f"Give {wanted}, {bound}."
    return f"Give {wanted} of {bound} {_MEMBERS[names[0]]}{'' if found[5] == '1' else 's'}."
