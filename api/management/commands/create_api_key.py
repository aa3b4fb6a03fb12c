"""Makes an API key and shows it once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from api import keys


class Command(BaseCommand):
    help = "Make an API key; its text is printed once and can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="a name that no other key has")
        parser.add_argument(
            "--scopes",
            "--scope",
            dest="scopes",
            required=True,
            help=f"separated by commas: {', '.join(keys.ApiScope)}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [word.strip() for word in options["scopes"].split(",") if word.strip()]
        unknown = [word for word in wanted if word not in set(keys.ApiScope)]
        if unknown or not wanted:
            raise CommandError(f"--scopes: {', '.join(unknown) or 'none'}; known scopes: {', '.join(keys.ApiScope)}.")
        try:
            text = keys.create(options["name"], scopes=[keys.ApiScope(word) for word in wanted])
        except IntegrityError:
            raise CommandError(f"There is a key named {options['name']!r} already; choose another name.") from None
        self.stdout.write(text)
