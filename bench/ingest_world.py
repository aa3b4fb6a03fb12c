"""Fills an empty database with what `bench.ingest` posts about; prints a key and a serial number."""

from __future__ import annotations

import django

django.setup()

from api import keys  # noqa: E402 - after the set-up
from api.keys import ApiScope  # noqa: E402
from bench import load  # noqa: E402
from xmnotify import demo  # noqa: E402

load.prepare(smtp_port=2525, connections=4, text="${user.displayname}: ${device.model}, ${event.data.app}")
print(keys.create("bench", scopes=[ApiScope.EVENTS]), demo.sample_serial())
