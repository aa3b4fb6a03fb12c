"""`manage.py permissions`: docs/permissions.md, made anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from xmnotify.operations import permissions


class Command(BaseCommand):
    help = "Writes docs/permissions.md: pages by role, operations by scope, scopes by permission."

    def handle(self, *arguments: Any, **options: Any) -> None:
        permissions.PAGE.write_text(permissions.document())
