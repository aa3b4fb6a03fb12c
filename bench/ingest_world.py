"""Fills an empty database with what `bench.ingest` posts about; prints a key and serial numbers of mailable devices."""

from __future__ import annotations

import django

django.setup()

from api.access import keys  # noqa: E402 - after the set-up
from api.kit.callers import ApiScope  # noqa: E402
from bench import load  # noqa: E402
from devices.models import Device  # noqa: E402

load.prepare(smtp_port=2525, connections=4, text="${user.displayname}: ${device.model}, ${event.data.app}")
reached = Device.objects.exclude(person__mail="").order_by("serial")
print(keys.create("bench", scopes=[ApiScope.EVENTS]), *reached.values_list("serial", flat=True))
