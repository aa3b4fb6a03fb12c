"""`manage.py reseal`: encrypts all stored secrets under the first of XMNOTIFY_FERNET_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from xmnotify.operations import resealing

_MOST_NAMED = 20


class Command(BaseCommand):
    help = "Encrypts all that is sealed under the first of XMNOTIFY_FERNET_KEYS, so that the others can be taken out."

    def handle(self, *arguments: Any, **options: Any) -> None:
        done = unreadable = 0
        for result in resealing.everything():
            done += result.done
            unreadable += len(result.unreadable)
            if result.done:
                self.stdout.write(f"{result.column}: {result.done} encrypted anew.")
            if result.unreadable:
                named = ", ".join(result.unreadable[:_MOST_NAMED])
                more = ", ..." if len(result.unreadable) > _MOST_NAMED else ""
                self.stdout.write(f"{result.column}: {len(result.unreadable)} can't be read, of {named}{more}.")
        if unreadable:
            raise CommandError(
                f"{unreadable} secrets can't be read: add the key that they were encrypted with to "
                "XMNOTIFY_FERNET_KEYS and run this again, or enter them anew."
            )
        self.stdout.write(f"All that is sealed has the first key now; {done} had another.")
