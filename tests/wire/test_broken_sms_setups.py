"""Test Configuration names what is wrong with each broken SMS gateway, immediately, as the documentation shows."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.wire.broken_sms_setups import NEVER, SETUPS, Setup, see
from tests.wire.certificates import Authority
from tests.wire.nexmo import SECRET

PAGE = Path(__file__).parents[2] / "docs" / "sms-test-configuration.md"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers without a network."""
    ask = socket.getaddrinfo

    def resolver(host: str, *rest: Any, **more: Any) -> Any:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)


@pytest.mark.parametrize("setup", SETUPS, ids=[setup.name for setup in SETUPS])
def test_it_is_named_at_its_stage_without_a_second_try_as_the_documentation_shows(
    setup: Setup, authority: Authority
) -> None:
    seen = see(setup, authority=authority)
    stage = seen.stage
    assert (stage.name, stage.code, stage.ok) == (setup.stage, setup.code, False)
    assert seen.submissions <= 1
    assert seen.seconds < NEVER.total_seconds()
    assert SECRET not in repr(stage)
    assert f"| {setup.name} | {stage.name} | {stage.cause} | {stage.hint} |" in PAGE.read_text(encoding="utf-8")
