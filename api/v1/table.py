"""Every operation of version 1, in the order of the documentation."""

from __future__ import annotations

from api.kit.operation import Operation
from api.v1 import broadcasts, carriers, deliveries, devices, events, ping, posting, servers, templates, transfer, users

OPERATIONS: tuple[Operation, ...] = (
    *posting.OPERATIONS,
    *events.OPERATIONS,
    *broadcasts.OPERATIONS,
    *deliveries.OPERATIONS,
    *devices.OPERATIONS,
    *users.OPERATIONS,
    *transfer.OPERATIONS,
    *servers.OPERATIONS,
    *carriers.OPERATIONS,
    *templates.OPERATIONS,
    *ping.OPERATIONS,
)
