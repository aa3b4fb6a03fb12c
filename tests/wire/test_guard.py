from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from transports.net import guard
from transports.net.deadline import Deadline
from transports.net.guard import ConnectionFailed
from transports.types import ReasonCode

AMPLE = timedelta(minutes=1)


def test_the_second_address_is_tried_when_the_first_is_dead() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connection = guard.connect(("::1", "127.0.0.1"), port=port, deadline=Deadline(AMPLE))
        assert connection.getpeername() == ("127.0.0.1", port)
        connection.close()


def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionFailed) as failure:
        guard.connect(("127.0.0.1",), port=port, deadline=Deadline(AMPLE))
    assert failure.value.reason.code is ReasonCode.CONNECTION_REFUSED
