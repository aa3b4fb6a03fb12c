"""Exports users."""

from __future__ import annotations

from devices.imports import Kind
from xmnotify.operations.transfer import ExportCommand


class Command(ExportCommand):
    help = "Write users with their groups, or their attributes, as CSV."
    kinds = (Kind.USERS, Kind.ATTRIBUTES)
