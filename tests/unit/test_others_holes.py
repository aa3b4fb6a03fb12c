"""Ways in that others left open and ours do not have: a shell, connections past the guard."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("api", "enrollment", "dispatch", "actions", "templates_app", "servers", "devices", "console", "foundation")
SOURCES = sorted(path for room in (*ROOMS, "transports", "xmnotify") for path in (ROOT / room).rglob("*.py"))
PROGRAMS = {"xmnotify/quickstart/supervisor.py", "xmnotify/quickstart/broker.py", "xmnotify/quickstart/lineage.py"}
"""They start the product's own parts, by a list of arguments."""
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec"}
CONNECTING = {
    "socket.create_connection",
    "requests.get",
    "requests.post",
    "requests.put",
    "requests.request",
    "urllib.request.urlopen",
    "smtplib.SMTP",
    "smtplib.SMTP_SSL",
}


def named(path):
    return str(path.relative_to(ROOT))


def calls(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_reaches_a_shell(path):
    """CVE-2026-23920, ZBX-4529 (Zabbix)."""
    for call in calls(path):
        function = ast.unparse(call.func)
        assert function not in SHELLS, f"line {call.lineno}: {function}"
        assert not any(word.arg == "shell" for word in call.keywords), f"line {call.lineno}: shell="
        if function.startswith("subprocess."):
            assert named(path) in PROGRAMS, f"line {call.lineno}: {function}"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_connections_are_made_by_the_guard_alone(path):
    """A library that looks the name up by itself connects to an address that nobody has checked."""
    if path.parent.name == "quickstart":  # it asks its own parts on this machine
        return
    assert not [call.lineno for call in calls(path) if ast.unparse(call.func) in CONNECTING]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_archive_is_opened(path):
    """listmonk PR 3065: names in an archive lead out of its folder."""
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"zipfile", "tarfile", "shutil.unpack_archive"}
