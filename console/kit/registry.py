"""What the rooms above add to the console: navigation, Settings tiles, health, impacts of deletions, panels, lists.

Each room registers its own in its AppConfig.ready(), as models register with Django's admin; nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.db import models
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from msgspec import Struct, field

from console.kit import log_in

Words = str | Promise
User = AbstractBaseUser | AnonymousUser


class Section(models.TextChoices):
    """The console's main parts, in the order of the header."""

    ANALYZE = "analyze", _("Analyze")
    MANAGE = "manage", _("Manage")
    CONFIGURE = "configure", _("Configure")
    SETTINGS = "settings", _("Settings")


class Group(models.TextChoices):
    """The parts of Settings."""

    NOTIFICATIONS = "notifications", _("Notifications")
    ACCESS = "access", _("Access")
    SYSTEM = "system", _("System")


class Level(models.TextChoices):
    """How good or bad something is; each has its icon and colour."""

    OK = "ok", _("OK")
    NEUTRAL = "neutral", _("Not in use")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


class Entry(Struct, frozen=True):
    """A page in the navigation. `view` is its URL name and its key; `permission` is needed to see it, "" for none.

    `of_everybody`: it is not for those limited to groups.
    """

    view: str
    label: Words
    section: Section
    permission: str = ""
    order: int = 100
    of_everybody: bool = False


class State(Struct, frozen=True):
    """What a tile says of its page, in a few words."""

    words: Words
    level: Level = Level.NEUTRAL


class Tile(Struct, frozen=True):
    """A page of Settings; `state` is called each time the Settings page is shown."""

    view: str
    label: Words
    group: Group
    description: Words
    permission: str = ""
    order: int = 100
    state: Callable[[], State | None] = lambda: None

    @property
    def section(self) -> Section:
        return Section.SETTINGS


class How(models.TextChoices):
    """What pressing a button does: one POST, a page, or a page that is a dialog where there is script."""

    POST = "post"
    LINK = "link"
    DIALOG = "dialog"


class Button(Struct, frozen=True):
    """What can be done about a finding, with a row or on a page, by those with `permission` ("" for all)."""

    label: Words
    url: str
    permission: str = ""
    how: How = How.POST
    style: str = ""


class Bulk(Struct, frozen=True):
    """What can be done with the ticked rows of a list, or all that match, by those with `permission`.

    A POST to `url` says `do`, and which rows: see `console.kit.lists.chosen`.
    """

    label: Words
    url: Words
    do: str
    permission: str


class Column(Struct, frozen=True):
    """A column of a list: `cell` returns what stands in a row. `key` is its name in the address where it can be sorted.

    `style` is a class of the stylesheet (number, nowrap, mono, wide, who, named); one column `heads` the rows.
    """

    key: str
    label: Words
    cell: Callable[[Any], Words]
    style: str = ""
    heads: bool = False


class Finding(Struct, frozen=True):
    """One line of the Health page; `banner` puts it at the top of every page too. `url` leads to where it is fixed.

    `of_everybody`: it says something of what was sent to anybody, which those limited to groups don't see.
    """

    subject: Words
    words: Words
    level: Level
    banner: bool = False
    url: str = ""
    link: Words = ""
    buttons: tuple[Button, ...] = ()
    of_everybody: bool = False


HealthSource = Callable[[], Iterable[Finding]]
ImpactSource = Callable[[Any], Iterable[Words]]
PanelSource = Callable[[HttpRequest, Any], SafeString | str]
ColumnSource = Callable[[HttpRequest, Sequence[Any]], Iterable[Column]]
ButtonSource = Callable[[HttpRequest, Sequence[Any]], Callable[[Any], Iterable[Button]]]


class _Registered(Struct):
    entries: list[Entry] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    health: list[HealthSource] = field(default_factory=list)
    impacts: dict[str, list[ImpactSource]] = field(default_factory=dict)
    panels: dict[str, list[tuple[int, PanelSource]]] = field(default_factory=dict)
    columns: dict[str, list[ColumnSource]] = field(default_factory=dict)
    buttons: dict[str, list[ButtonSource]] = field(default_factory=dict)
    bulk: dict[str, list[Bulk]] = field(default_factory=dict)


_registered = _Registered()


def add_entry(entry: Entry) -> None:
    _registered.entries.append(entry)


def add_tile(tile: Tile) -> None:
    _registered.tiles.append(tile)


def add_health(source: HealthSource) -> None:
    """`source` is called on every page for its banners: it must be quick."""
    _registered.health.append(source)


def add_impact(label: str, *, source: ImpactSource) -> None:
    """`source` gets an object of the model ("servers.Server") about to be deleted and yields what stops working."""
    _registered.impacts.setdefault(label.lower(), []).append(source)


def add_panel(place: str, *, source: PanelSource, order: int = 100) -> None:
    """`source` gets the request and the page's object (None where it has none) and returns HTML, "" for nothing."""
    _registered.panels.setdefault(place, []).append((order, source))


def add_columns(page: str, *, source: ColumnSource) -> None:
    """To the list with this key; `source` gets the request and all rows of one page."""
    _registered.columns.setdefault(page, []).append(source)


def add_row_buttons(page: str, *, source: ButtonSource) -> None:
    """As `add_columns`; `source` returns a function that gives the buttons of a row."""
    _registered.buttons.setdefault(page, []).append(source)


def add_bulk(page: str, *bulk: Bulk) -> None:
    _registered.bulk.setdefault(page, []).extend(bulk)


def entries(user: User, *, section: Section | None = None) -> list[Entry]:
    found = [entry for entry in _registered.entries if section in {None, entry.section} and allowed(user, entry)]
    return sorted(found, key=lambda entry: (Section.values.index(entry.section), entry.order))


def tiles(user: User) -> list[Tile]:
    found = [tile for tile in _registered.tiles if allowed(user, tile)]
    return sorted(found, key=lambda tile: (Group.values.index(tile.group), tile.order))


def section_of(view: str) -> Section | None:
    """The part of the console that the page with this key belongs to."""
    every: list[Entry | Tile] = [*_registered.entries, *_registered.tiles]
    return next((one.section for one in every if one.view == view), None)


def health() -> list[Finding]:
    return [finding for source in _registered.health for finding in source()]


def health_for(user: User) -> list[Finding]:
    """What this user may know of it."""
    is_limited = log_in.supplied().is_limited(user)
    return [one for one in health() if not (one.of_everybody and is_limited)]


def impacts(instance: models.Model) -> list[Words]:
    """What stops working when `instance` is deleted, said by whoever knows."""
    return [
        words
        for model in type(instance).__mro__
        if hasattr(model, "_meta") and not model._meta.abstract  # noqa: SLF001 - Django's documented name for it
        for source in _registered.impacts.get(model._meta.label_lower, [])  # noqa: SLF001 - as above
        for words in source(instance)
    ]


def panels(place: str, request: HttpRequest, *, instance: Any = None) -> list[SafeString | str]:
    ordered = sorted(_registered.panels.get(place, []), key=lambda pair: pair[0])
    return [made for _order, source in ordered if (made := source(request, instance))]


def columns(page: str, request: HttpRequest, rows: Sequence[Any]) -> list[Column]:
    return [column for source in _registered.columns.get(page, []) for column in source(request, rows)]


def row_buttons(page: str, request: HttpRequest, rows: Sequence[Any]) -> Callable[[Any], list[Button]]:
    """The buttons of a row that the rooms above add."""
    sources = [source(request, rows) for source in _registered.buttons.get(page, [])]
    return lambda row: [button for source in sources for button in source(row)]


def bulk(page: str) -> list[Bulk]:
    return list(_registered.bulk.get(page, []))


def allowed(user: User, item: Entry | Tile | Button | Bulk) -> bool:
    if isinstance(item, Entry) and item.of_everybody and log_in.supplied().is_limited(user):
        return False
    return not item.permission or (isinstance(user, PermissionsMixin) and user.has_perm(item.permission))
