"""What evaluating one text may cost, whatever the text and the values are: counted before anything is built."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import Struct

from templates_app.macros.values import as_text

MAX_OUTPUT = 65_536
"""Characters that one function may make, or that a list or mapping may print as."""
MOST_CHARACTERS = 1_000_000
"""Characters over all that the functions of one text read and make."""
MOST_STEPS = 100_000
"""Calls of functions, and items of lists that they go through, over one text."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


class TextTooLongError(ValueError):
    """A text, or something on the way to it, is over its limit; nothing is ever cut silently."""


class Budget(Struct):
    """What has been spent on one text, and the characters that may be."""

    characters: int = 0
    steps: int = 0
    most_characters: int = MOST_CHARACTERS

    def step(self, count: int = 1) -> None:
        self.steps += count
        if self.steps > MOST_STEPS:
            raise TextTooLongError(f"the macros take more than {MOST_STEPS:,} steps")

    def spend(self, characters: int) -> None:
        self.characters += characters
        if self.characters > self.most_characters:
            raise TextTooLongError(f"the macros take more than {self.most_characters:,} characters on their way")

    def allow(self, length: int) -> None:
        """That a text of that length is made."""
        if length > MAX_OUTPUT:
            raise TextTooLongError(f"a value gets more than {MAX_OUTPUT:,} characters")

    def text(self, value: object) -> str:
        """How a value prints (see `as_text`), to be worked on."""
        if isinstance(value, list | tuple):
            return self.joined(value, separator=", ")
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, str):
            self.spend(len(value))
            return as_text(value)
        text = as_text(value)
        self.spend(len(text))
        return text

    def joined(self, items: Sequence[object], *, separator: str) -> str:
        """The items of a list as one text."""
        self.step(len(items))
        texts, length = [], -len(separator)
        for item in items:
            texts.append(text := self.text(item))
            length += len(text) + len(separator)
            self.allow(length)
        self.spend(max(length, 0))
        return separator.join(texts)

    def _mapping(self, members: dict[str, object]) -> str:
        pieces: list[str] = []
        length = 0
        for piece in _ENCODER.iterencode(members):
            self.step()
            pieces.append(piece)
            length += len(piece)
            self.allow(length)
        self.spend(length)
        return as_text("".join(pieces))
