"""Exports devices."""

from __future__ import annotations

from devices.imports import Kind
from xmnotify.operations.transfer import ExportCommand


class Command(ExportCommand):
    help = "Write devices as CSV, everything that is known or chosen columns."
    kinds = (Kind.DEVICES,)
