"""Test Configuration names what is wrong with each broken set-up, immediately, as the documentation shows."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.wire.broken_setups import NEVER, SETUPS, Setup, see
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


@EACH
def test_it_is_named_at_its_stage_without_a_second_try_as_the_documentation_shows(
    setup: Setup, authority: Authority
) -> None:
    seen = see(setup, authority=authority)
    stage = seen.stage
    assert not stage.ok
    assert "not the right one" not in repr(stage)
    assert (stage.name, stage.code) == (setup.stage, setup.code)
    assert seen.connections <= (2 if setup.waits else 1)  # one who does not greet is asked for TLS beside
    assert seen.seconds < NEVER
    assert f"| {setup.name} | {stage.name} | {stage.cause} | {stage.hint} |" in PAGE.read_text(encoding="utf-8")
