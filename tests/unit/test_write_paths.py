"""Templates, servers, devices and users are written by their apps' edits alone, whoever wants them changed."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.unit import expressions
from xmnotify import env

EDITS = {
    "templates_app": {"templates_app.edits"},
    "servers": {"servers.edits", "servers.carriers.edits"},
    "devices": {"devices.edits"},
}
EXCEPTED = {
    "templates_app.install": "puts the predefined templates there, for migrations too",
    "xmnotify.quickstart.demo": "makes devices up in a database that has none",
    "xmnotify.quickstart.scale": "makes a million rows up",
}
_MODELS = {
    "templates_app": {"NotificationTemplate", "TemplateVersion", "TemplateChannel", "TemplateText"},
    "servers": {"Server", "SmtpServer", "SmsGateway", "PushService", "CarrierGateway"},
    "devices": {"Device", "Person", "Group", "InstalledApp", "PushToken", "Change"},
}
_SEEN_BY_THE_FLOW = {
    *("paused_until", "stopped_at", "told_at", "rate_free_at", "refusals", "sign_ins_refused"),
    *("unanswered", "unanswered_at", "unpipelined_at", "unpipelined_reply"),
    *("session_limit", "session_limit_at", "session_limit_reply"),
}
"""The columns of a server that dispatch writes."""
_WRITES = {
    *("save", "delete", "create", "update", "get_or_create", "update_or_create", "bulk_create", "bulk_update"),
    *("set", "add", "clear", "remove"),
}
_STATEMENT = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(templates_app|servers|devices)_\w+", re.IGNORECASE)


def writes(source: str, *, app: str, module: str = "") -> Iterator[str]:
    """The calls of a module that write rows of this app, and its statements that do."""
    tree = ast.parse(source)
    models = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == f"{app}.models"
        for alias in node.names
        if alias.name in _MODELS[app]
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (found[0] for found in _STATEMENT.finditer(node.value) if found[1].lower() == app)
    for scope in _scopes(tree):
        ours = models | _names_of_rows(scope, models)
        for node in ast.walk(scope):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _WRITES
            if is_call and ours & _roots(node.func.value) and not _is_seen_by_the_flow(node, module=module):
                yield ast.unparse(node)


def _is_seen_by_the_flow(call: ast.Call, *, module: str) -> bool:
    """Whether dispatch updates nothing but what it sees of a server; what stands in a variable is its outbox's."""
    names = {keyword.arg for keyword in call.keywords}
    if not module.startswith("dispatch.") or call.args or call.func.attr != "update":
        return False
    return names <= _SEEN_BY_THE_FLOW | ({None} if module.startswith("dispatch.outbox.") else set())


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """Each function, and what stands outside of functions and classes."""
    yield ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _names_of_rows(scope: ast.AST, models: set[str]) -> set[str]:
    """Parameters that are declared as rows of these models, and what is made of one of them within the scope."""
    found: set[str] = set()
    if isinstance(scope, ast.FunctionDef):
        arguments = (*scope.args.args, *scope.args.kwonlyargs)
        found |= {each.arg for each in arguments if each.annotation and models & _names(each.annotation)}
    grown = True
    while grown:
        before = len(found)
        for node in ast.walk(scope):
            made = _made_of(node)
            if made and (models | found) & _roots(made[1]):
                found |= _names(made[0])
        grown = len(found) > before
    return found


def _made_of(node: ast.AST) -> tuple[ast.AST, ast.AST] | None:
    """Target and value of an assignment or a loop."""
    match node:
        case ast.Assign(targets=[target], value=value):
            return target, value
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value) if value:
            return target, value
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            return target, value
    return None


def _roots(node: ast.AST) -> set[str]:
    """What an expression is taken from: `Device` of `Device.objects.filter(...).first()`, both of `a or b`."""
    match node:
        case ast.Name(id=name):
            return {name}
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return _roots(value)
        case ast.Call(func=ast.Name(id=name), args=args) if name in {"list", "get_object_or_404", "sorted", "iter"}:
            return set().union(*map(_roots, args)) if args else set()
        case ast.Call(func=function):
            return _roots(function)
        case ast.BinOp(left=left, right=right):
            return _roots(left) | _roots(right)
        case ast.BoolOp(values=values):
            return set().union(*map(_roots, values))
        case ast.IfExp(body=body, orelse=other):
            return _roots(body) | _roots(other)
    return set()


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _modules() -> Iterator[tuple[str, str]]:
    for room in expressions.ROOMS:
        for path in sorted((env.ROOT / room).rglob("*.py")):
            name = ".".join(path.relative_to(env.ROOT).with_suffix("").parts).removesuffix(".__init__")
            if "migrations" not in path.parts and name not in EXCEPTED:
                yield name, path.read_text()


@pytest.mark.parametrize("app", EDITS)
def test_nothing_but_the_edits_writes_their_rows(app):
    others = ((name, source) for name, source in _modules() if name not in EDITS[app])
    found = {name: list(writes(source, app=app, module=name)) for name, source in others}
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize("app", EDITS)
def test_the_edits_do_write_them(app):
    assert {name for name, source in _modules() if name in EDITS[app] and list(writes(source, app=app))} == EDITS[app]


@pytest.mark.parametrize(
    "body",
    [
        "Device.objects.create(serial='x')",
        "Device(serial='x').save()",
        "Device.objects.filter(pk=1).exclude(imei='').update(name='x')",
        "row = Device.objects.get(pk=1)\n    row.save()",
        "rows = Device.objects.all()\n    for row in rows.order_by('pk'):\n        row.delete()",
        "if row := Device.objects.first():\n        row.apps.all().delete()",
        "given.delete()",
        "some = given or Device()\n    some.save(update_fields=['name'])",
        "cursor.execute('UPDATE devices_device SET name = %s')",
        "row = get_object_or_404(Device, pk=1)\n    row.delete()",
        "[row.delete() for row in Device.objects.all()]",
    ],
)
def test_a_write_is_found_however_it_is_put(body):
    source = f"from devices.models import Device\n\ndef f(given: Device | None, cursor):\n    {body}\n"
    assert list(writes(source, app="devices"))
    assert not list(writes(source.replace("Device", "Printer").replace("devices_", "printers_"), app="devices"))


def test_dispatch_writes_of_a_server_what_it_sees_and_nothing_else():
    source = "from servers.models import Server\n\ndef f(server: Server):\n    Server.objects.update({})\n"
    seen, other = source.format("told_at=None"), source.format("told_at=None, active=True")
    assert not list(writes(seen, app="servers", module="dispatch.upkeep.alerts"))
    assert list(writes(other, app="servers", module="dispatch.upkeep.alerts"))
    assert list(writes(seen, app="servers", module="servers.views"))
