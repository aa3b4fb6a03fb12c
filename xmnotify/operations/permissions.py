"""docs/permissions.md, made from the program's tables: pages by role, operations by scope, scopes by permission."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from api.access.keys import NEEDED
from api.v1.table import OPERATIONS
from console.accounts import roles
from console.kit.editing import FormPage
from console.kit.views import ConsoleView
from xmnotify import env

PAGE = env.ROOT / "docs" / "permissions.md"
_HEAD = """# Who may do what

Made by `manage.py permissions` from the tables that the program itself reads; a test holds it against them.

## Pages by role

What the roles that come with the product may do, **see** a page or **do** what its form or button does; a role of one's
own is any choice of the permissions named here. A superuser may do everything, and nobody touches users, roles, keys
and second factors that hold more than they do (`console/accounts/grants.py`). Whose data somebody sees is narrowed by
[groups](groups.md).
"""
_SCOPES = """
## Operations by scope

The HTTP interface, below `/api/v1`; one of the scopes is needed.
"""
_NEEDED = """
## Scopes by permission

Whoever makes a key holds these, and the key is refused as soon as they don't any more. A key made by command needs
nobody.
"""


def document() -> str:
    """The whole page."""
    names = [roles.ADMINISTRATOR, roles.OPERATOR, roles.AUDITOR, roles.INTEGRATION]
    pages = _table(["page", *names, "to see", "to do"], [_row(path, view, names) for path, view in _pages()])
    operations = _table(
        ["operation", "scopes"],
        [[f"`{one.method} {one.path}`", ", ".join(one.scopes) or "any key"] for one in OPERATIONS],
    )
    scopes = _table(["scope", "permissions"], [[scope.value, _codes(sorted(NEEDED[scope]))] for scope in NEEDED])
    return f"{_HEAD}\n{pages}{_SCOPES}\n{operations}{_NEEDED}\n{scopes}"


def _pages(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[tuple[str, ConsoleView]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _pages(pattern, path)
        elif (view := _view(pattern)) is not None:
            yield path, view


def _view(pattern: URLPattern) -> ConsoleView | None:
    """As for a request of it; None where it is no page of the console."""
    view_class = getattr(pattern.callback, "view_class", None)
    if not isinstance(view_class, type) or not issubclass(view_class, ConsoleView):
        return None
    view = view_class()
    view.kwargs = dict.fromkeys(pattern.pattern.converters, 1)
    return view


def _row(path: str, view: ConsoleView, names: list[str]) -> list[str]:
    adds = isinstance(view, FormPage) and "pk" not in view.kwargs  # the empty form is for those who may send it
    sees = (view.all_permissions() if adds else view.permissions) if _takes(view, "get") else None
    does = view.all_permissions() if _takes(view, "post") else None
    cells = [_may(name, sees=sees, does=does) for name in names]
    return [f"`{path}`", *cells, _codes(sees or ()), _codes([one for one in does or () if one not in (sees or ())])]


def _takes(view: ConsoleView, method: str) -> bool:
    return method in view.http_method_names and hasattr(view, method)


def _may(role: str, *, sees: tuple[str, ...] | None, does: tuple[str, ...] | None) -> str:
    found = [
        word
        for word, needed in (("see", sees), ("do", does))
        if needed is not None and roles.may_enter(role) and all(roles.holds(role, name) for name in needed)
    ]
    return ", ".join(found) or "-"


def _codes(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
