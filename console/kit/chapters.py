"""The documents as chapters that the console shows, and which one of them each page of it leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

CHAPTERS: Mapping[str, str] = {
    "broadcasts": "sending-by-hand",
    "delivery-log": "retries",
    "notification-server": "smtp-test-configuration",
    "smtp-server-add": "mail-providers",
    "sms-gateway": "sms-test-configuration",
    "sms-gateway-add": "sms-test-configuration",
    "secure-hub-push": "push-test-configuration",
    "carrier-gateways": "decisions-carrier-gateways",
    "notification-templates": "macros",
    "administrators": "permissions",
    "roles": "permissions#pages-by-role",
    "audit": "decisions-retention",
    "api-keys": "permissions#operations-by-scope",
    "health": "retries#when-a-server-is-in-trouble",
    "groups": "groups",
    "devices": "http-api#devices-and-users",
    "users": "http-api#devices-and-users",
    "settings": "settings",
    "about": "settings",
}
"""By the name of a page's address, else by the key of its entry or tile: the chapter, and the part of it after a #."""
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_DOCS: Path = settings.BASE_DIR / "docs"


class Chapter(Struct, frozen=True):
    """`parts` are the ids of its headings, `links` the addresses that it leads to."""

    title: str
    html: SafeString
    parts: frozenset[str]
    links: tuple[str, ...]


def address(request: HttpRequest, *, page: str) -> str:
    """Where the help on the page with this key is; the list of chapters for one that has none of its own."""
    match = request.resolver_match
    view = (match.url_name if match else "") or ""
    name, _hash, part = (CHAPTERS.get(view) or CHAPTERS.get(page, "")).partition("#")
    return _address(name, part) if name else reverse("help")


@cache
def files() -> dict[str, Path]:
    """Every chapter by its name: docs/macros.md is macros, docs/decisions/texts.md is decisions-texts."""
    return {_name(path.relative_to(_DOCS)): path for path in sorted(_DOCS.glob("**/*.md"))}


@cache
def chapter(name: str) -> Chapter:
    """Raises KeyError for a name of none."""
    path = files()[name]
    tokens = _MARKDOWN.parse(path.read_text(encoding="utf-8"))
    title, parts, links = "", [], []
    for token, following in zip(tokens, [*tokens[1:], Token("", "", 0)], strict=True):
        if token.type == "heading_open":
            title = title or _words(following)
            parts.append(_part(_words(following)))
            token.attrSet("id", parts[-1])
    for opening, closing in _links(tokens):
        target = _leads_to(str(opening.attrGet("href")), seen_from=path)
        if target:
            opening.attrSet("href", target)
            links.append(target)
        else:
            opening.tag = closing.tag = "span"
            opening.attrs = {}
    shown = list(_in_boxes(tokens[3:], label=title))  # after the title
    html = _MARKDOWN.renderer.render(shown, _MARKDOWN.options, {})
    return Chapter(title, mark_safe(html), frozenset(parts), tuple(links))  # noqa: S308 - our documents, without HTML


def listed() -> list[tuple[str, str]]:
    """Title and address of the chapters that are no decision, and of the decisions that pages lead to."""
    led_to = {target.partition("#")[0] for target in CHAPTERS.values()}
    found = [name for name, path in files().items() if path.parent == _DOCS or name in led_to]
    return sorted((chapter(name).title, _address(name)) for name in found)


def _address(name: str, part: str = "") -> str:
    return reverse("help-chapter", args=[name]) + (f"#{part}" if part else "")


def _leads_to(link: str, *, seen_from: Path) -> str:
    """The address of a chapter that a document names by its file; empty for files that are none."""
    target, _hash, part = link.partition("#")
    if "://" in target or not target:
        return link
    if not target.endswith(".md"):
        return ""
    return _address(_name((seen_from.parent / target).resolve().relative_to(_DOCS)), part)


def _links(tokens: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    """The beginning and end of each."""
    parts = [part for token in tokens for part in token.children or () if part.type in {"link_open", "link_close"}]
    return zip(parts[::2], parts[1::2], strict=True)


def _in_boxes(tokens: Sequence[Token], *, label: str) -> Iterator[Token]:
    """With each table in a box that scrolls."""
    number = 0
    for token in tokens:
        if token.type == "table_open":
            number += 1
            token.attrSet("class", "rows")
            box = format_html('<div class="scroll" tabindex="0" role="region" aria-label="{}">', f"{label} ({number})")
            yield Token("html_block", "", 0, content=box)
        yield token
        if token.type == "table_close":
            yield Token("html_block", "", 0, content="</div>")


def _name(path: Path) -> str:
    return "-".join(path.with_suffix("").parts)


def _words(token: Token) -> str:
    return "".join(part.content for part in token.children or ())


def _part(heading: str) -> str:
    """The id of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
