"""Test Configuration names what is wrong with each broken set-up, immediately, as the documentation shows."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.wire.broken_setups import NEVER, SETUPS, Seen, Setup, see
from tests.wire.certificates import Authority

PAGE = Path(__file__).parents[2] / "docs" / "smtp-test-configuration.md"
EACH = pytest.mark.parametrize("setup", SETUPS, ids=[setup.name for setup in SETUPS])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _surroundings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any port, and a resolver that answers without a network."""
    settings.XMNOTIFY_SMTP_PORTS = None
    monkeypatch.setattr(socket, "gethostname", lambda: "vm")
    ask = socket.getaddrinfo

    def resolver(host: str, *rest: Any, **more: Any) -> Any:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)


def found(setup: Setup, authority: Authority) -> Seen:
    seen = see(setup, authority=authority)
    assert not seen.stage.ok
    assert "not the right one" not in repr(seen.stage)
    return seen


@EACH
def test_it_is_named_at_its_stage_without_a_second_try(setup: Setup, authority: Authority) -> None:
    seen = found(setup, authority)
    assert (seen.stage.name, seen.stage.code) == (setup.stage, setup.code)
    assert seen.connections <= 1
    assert seen.seconds < NEVER


@EACH
def test_the_documentation_shows_what_is_said(setup: Setup, authority: Authority) -> None:
    stage = found(setup, authority).stage
    assert f"| {setup.name} | {stage.name} | {stage.cause} | {stage.hint} |" in PAGE.read_text(encoding="utf-8")
