"""What stands in the cells of lists, and in other places of a page: icons, badges, times, links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from console.kit import times
from console.kit.registry import Level, Words

_CIRCLE = '<circle cx="12" cy="12" r="9" fill="none" stroke="currentColor" stroke-width="2"/>'
_LINE = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
_ICONS: Mapping[str, str] = {
    "ok": f'{_CIRCLE}<path {_LINE} d="m8 12.5 3 3 5-6"/>',
    "neutral": f'{_CIRCLE}<path {_LINE} d="M8 12h8"/>',
    "warning": f'<path {_LINE} d="M12 4 2.8 20h18.4L12 4z"/><path {_LINE} d="M12 10v4.5m0 2.8v.1"/>',
    "error": f'{_CIRCLE}<path {_LINE} d="M12 7.5v5.5m0 3.2v.1"/>',
    "info": f'{_CIRCLE}<path {_LINE} d="M12 11.5v5m0-8.7v.1"/>',
    "help": f'{_CIRCLE}<path {_LINE} d="M9.5 9.6a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7m0 2.9v.1"/>',
    "gear": f'<circle cx="12" cy="12" r="2.8" {_LINE}/><path {_LINE} d="'
    "M18.8 10.2 21.5 10.4 21.5 13.6 18.8 13.8 18.1 15.5 19.8 17.5 17.5 19.8 15.5 18.1 13.8 "
    "18.8 13.6 21.5 10.4 21.5 10.2 18.8 8.5 18.1 6.5 19.8 4.2 17.5 5.9 15.5 5.2 13.8 "
    "2.5 13.6 2.5 10.4 5.2 10.2 5.9 8.5 4.2 6.5 6.5 4.2 8.5 5.9 10.2 5.2 10.4 "
    "2.5 13.6 2.5 13.8 5.2 15.5 5.9 17.5 4.2 19.8 6.5 18.1 8.5z"
    '"/>',
    "user": f'<circle cx="12" cy="8.5" r="3.7" {_LINE}/><path {_LINE} d="M4.5 20c1-4 4-5.6 7.5-5.6s6.5 1.6 7.5 5.6"/>',
    "theme-auto": f'{_CIRCLE}<path fill="currentColor" d="M12 3a9 9 0 0 1 0 18z"/>',
    "theme-light": f'<circle cx="12" cy="12" r="4" {_LINE}/>'
    f'<path {_LINE} d="M12 2.5v2m0 15v2m9.5-9.5h-2m-15 0h-2"/>'
    f'<path {_LINE} d="m18.7 5.3-1.4 1.4M6.7 17.3l-1.4 1.4m13.4 0-1.4-1.4M6.7 6.7 5.3 5.3"/>',
    "theme-dark": f'<path {_LINE} d="M20 14.2A8.3 8.3 0 0 1 9.8 4 8.3 8.3 0 1 0 20 14.2z"/>',
    "up": f'<path {_LINE} d="m6 14.5 6-6 6 6"/>',
    "down": f'<path {_LINE} d="m6 9.5 6 6 6-6"/>',
    "pending": f'<path {_LINE} d="M12 3a9 9 0 1 0 9 9"/>',
}
_SAME_ICON = {"success": "ok", "debug": "info"}


def icon(name: str) -> SafeString:
    """A decorative icon; the words beside it say what it means."""
    drawing = _ICONS.get(_SAME_ICON.get(name, name), _ICONS["info"])
    return mark_safe(f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{drawing}</svg>')  # noqa: S308 - ours


def badge(level: Level | str, words: Words) -> SafeString:
    """A state: icon, colour and word, so that none of them carries it alone."""
    said = conditional_escape(str(words))
    return mark_safe(f'<span class="badge is-{level}">{icon(level)}{said}</span>')  # noqa: S308 - the words are escaped


def moment(at: datetime | None, upto: str = "minute") -> SafeString | str:
    """A time in the zone of the page, to the "minute" or "second": UTC is its tip, how long ago stands beside it."""
    if at is None:
        return _("never")
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time> <span class="ago">{}</span>',
        at.isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        times.exact(at, upto=upto),
        times.relative(at),
    )


def link(url: str, words: Words, *, dialog: bool = False) -> SafeString:
    """To a page, which opens as a dialog where there is script and it is to."""
    if dialog:
        return format_html('<a href="{0}" hx-get="{0}" hx-target="#modal-body">{1}</a>', url, words)
    return format_html('<a href="{}">{}</a>', url, words)


def small(words: Words, *, style: str = "") -> SafeString | str:
    """A further line; "" for none."""
    return format_html('<small class="{}">{}</small>' if style else "<small>{1}</small>", style, words) if words else ""


def quiet(words: Words) -> SafeString | str:
    """A remark below; "" for none."""
    return format_html('<div class="quiet remark">{}</div>', words) if words else ""


def joined(*parts: Words) -> SafeString:
    """One after the other, each escaped unless it is markup."""
    return mark_safe("".join(conditional_escape(str(part)) for part in parts))  # noqa: S308 - the parts are escaped


def items(parts: Iterable[Words], *, style: str) -> SafeString:
    """A list of them."""
    lines = joined(*(format_html("<li>{}</li>", part) for part in parts))
    return format_html('<ul class="{}">{}</ul>', style, lines)
