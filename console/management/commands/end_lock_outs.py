"""`manage.py end_lock_outs`: for when somebody can't wait for the end of one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from console.accounts import lockout


class Command(BaseCommand):
    help = "Forgets all failed log-ins, which ends each lock-out; the audit trail keeps them."

    def handle(self, *arguments: Any, **options: Any) -> None:
        lockout.end_all()
        self.stdout.write("Nobody is locked out.")
