"""Forget an address that belongs to no user."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from xmnotify.operations import forgetting


class Command(BaseCommand):
    help = "Remove a mail address or phone number that belongs to no user from all that was sent, and prove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="a mail address, or a phone number such as +14155550123")

    def handle(self, *, address: str, **_options: Any) -> None:
        try:
            known = forgetting.read(address)
        except ValueError as error:
            raise CommandError(f"{address!r} is neither a mail address nor a phone number: {error}.") from None
        if user := forgetting.owner(known):
            raise CommandError(f"It belongs to the user {user.loginname!r}: delete that user, then run this again.")
        count = forgetting.forget(known, now=timezone.now())
        self.stdout.write(f"{count} deliveries to it were cleared, those that waited cancelled.")
        found = list(forgetting.search(known))
        self.stdout.write(f"Searched {len(found)} columns of the database; log files and backups were not.")
        for one in found:
            self.stdout.write(f"  {one.column}: {one.rows}")
        left = [f"{one.column} ({one.rows})" for one in found if one.rows]
        if left:
            raise CommandError(f"It still stands in {', '.join(left)}: change it there, then run this again.")
        self.stdout.write("Nothing is left.")
