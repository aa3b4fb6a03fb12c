"""Imports users."""

from __future__ import annotations

from devices.imports import Kind
from xmnotify.operations.transfer import ImportCommand


class Command(ImportCommand):
    help = "Import users and their groups from a CSV file: all of its lines, or none if one is wrong."
    kind = Kind.USERS
