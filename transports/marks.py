"""Marks words for translation where Django's own mark can't be had; whoever shows them translates them."""

from __future__ import annotations


def gettext_noop(words: str) -> str:
    """`words` as they are. The name is one that `make messages` looks for."""
    return words
