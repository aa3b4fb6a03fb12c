"""Test Configuration names what is wrong with each broken push service, immediately, as the documentation shows."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.wire import push
from tests.wire.broken_push_setups import ANDROID, IPHONE, NEVER, SETUPS, Setup, row, see
from tests.wire.certificates import Authority
from transports.push import testing

PAGE = Path(__file__).parents[2] / "docs" / "push-test-configuration.md"


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


@pytest.mark.parametrize("setup", SETUPS, ids=[f"{setup.service} {setup.name}" for setup in SETUPS])
def test_it_is_named_at_its_stage_and_nothing_is_pushed_as_the_documentation_shows(
    setup: Setup, authority: Authority
) -> None:
    seen = see(setup, authority=authority)
    stage = seen.stage
    assert (stage.name, stage.code, stage.ok) == (setup.stage, setup.code, False)
    assert seen.pushes == 0
    assert seen.seconds < NEVER.total_seconds()
    assert "PRIVATE" not in repr(stage)
    assert setup.to.address not in repr(stage)
    assert row(setup, stage) in PAGE.read_text(encoding="utf-8")


def test_what_is_right_passes_all_stages(authority: Authority) -> None:
    with push.apns(authority.server()) as apns:
        config = push.apns_config(apns.port, authority=authority)
        stages = list(testing.run_apns(config, message=push.message(), to=IPHONE, policy=push.LOOPBACK))
        assert [stage.name for stage in stages] == ["resolve", "connect", "tls", "http2", "key", "topic"]
        assert all(stage.ok for stage in stages)
        assert apns.tray.count == 1
    with push.fcm(authority.server()) as fcm:
        settings = push.fcm_config(fcm, authority=authority)
        stages = list(testing.run_fcm(settings, message=push.message(), to=ANDROID, policy=push.LOOPBACK))
        names = ["key_file", "token", "resolve", "connect", "tls", "http2", "validate_only"]
        assert [stage.name for stage in stages] == names
        assert all(stage.ok for stage in stages)
        assert (fcm.checked, fcm.tray.count) == (1, 0)
