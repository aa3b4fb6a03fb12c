"""Servers and carrier gateways are stored by their edits alone; dispatch writes what the flow sees of them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
APPS = ("xmnotify", "api", "enrollment", "dispatch", "actions", "templates_app", "servers", "devices", "console")
MODELS = {"Server", "SmtpServer", "SmsGateway", "PushService", "CarrierGateway"}
WRITES = {"save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
EDITS = {"servers/edits.py", "servers/carriers/edits.py"}
SEEN_BY_THE_FLOW = {
    "paused_until",
    "rate_free_at",
    "refusals",
    "session_limit",
    "session_limit_at",
    "session_limit_reply",
    "sign_ins_refused",
    "stopped_at",
    "told_at",
    "unanswered",
    "unanswered_at",
    "unpipelined_at",
    "unpipelined_reply",
}
SQL = re.compile(r"(?:UPDATE|INTO|DELETE FROM)\s+servers_(?:server|smtpserver|smsgateway|pushservice|carriergateway)\b")


def mentions(node, names):
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def rows_in(tree):
    """Names that hold such rows: annotated as one, or made from an expression that names the model or such a name."""
    found = set()
    while True:
        before = len(found)
        for node in ast.walk(tree):
            if isinstance(node, ast.arg) and node.annotation and mentions(node.annotation, MODELS):
                found.add(node.arg)
            source = getattr(node, "iter" if isinstance(node, ast.For | ast.comprehension) else "value", None)
            targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
            if isinstance(source, ast.AST) and mentions(source, MODELS | found):
                found |= {part.id for one in targets if one for part in ast.walk(one) if isinstance(part, ast.Name)}
        if len(found) == before:
            return found


def writes_in(source, *, path):
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for scope in functions:
        rows = rows_in(scope) | MODELS
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
                about_rows = mentions(node.func.value, rows)
                if about_rows and not is_state(node, path=path):
                    yield f"{path}:{node.lineno} {ast.unparse(node.func)}"
    if SQL.search(source):
        yield f"{path}: {SQL.search(source)[0]}"


def is_state(call, *, path):
    """Whether it is an update of nothing but what the flow sees of a server."""
    names = {keyword.arg for keyword in call.keywords}
    if call.func.attr != "update" or call.args or not path.startswith("dispatch/"):
        return False
    return names <= SEEN_BY_THE_FLOW | ({None} if path.startswith("dispatch/outbox/") else set())


def sources():
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            path = str(file.relative_to(ROOT))
            if "/migrations/" not in path:
                yield path, file.read_text()


def test_nothing_but_the_edits_stores_a_server_or_a_carrier_gateway():
    assert [write for path, text in sources() if path not in EDITS for write in writes_in(text, path=path)] == []


def test_the_edits_themselves_are_found():
    assert {path for path, text in sources() if list(writes_in(text, path=path))} == EDITS


@pytest.mark.parametrize(
    "line",
    [
        "SmtpServer.objects.create(name='x')",
        "Server.objects.filter(pk=1).update(active=True)",
        "rows = Server.objects.all(); rows.filter(pk=1).update(paused_until=None)",
        "for row in CarrierGateway.objects.all(): row.save()",
        "server: SmtpServer = find(1); SmsGateway.objects.get(pk=1).delete()",
        "cursor.execute('UPDATE servers_server SET active = true')",
    ],
)
def test_a_planted_write_is_found(line):
    assert list(writes_in(f"def planted():\n    {line}", path="servers/views.py"))
