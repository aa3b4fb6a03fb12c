"""Makes an API key and shows it once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from api.access import edits
from api.kit.callers import ApiScope
from api.models import DEFAULT_BURST, DEFAULT_RATE, MOST_BURST, MOST_RATE
from devices.models import Group
from foundation.audit import Actor


class Command(BaseCommand):
    help = "Make an API key; its text is printed once and can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="a name that no other key has")
        parser.add_argument(
            "--scopes",
            "--scope",
            dest="scopes",
            required=True,
            help=f"separated by commas: {', '.join(ApiScope)}",
        )
        parser.add_argument(
            "--rate",
            type=int,
            default=DEFAULT_RATE,
            help="events a second in the long run (default %(default)s, 0 = any)",
        )
        parser.add_argument(
            "--burst", type=int, default=DEFAULT_BURST, help="events at any rate after a pause (default %(default)s)"
        )
        parser.add_argument(
            "--known-recipients",
            action="store_true",
            help="its events may name no addresses but those of known users and devices",
        )

        parser.add_argument(
            "--group",
            action="append",
            dest="groups",
            help="it sees and notifies the users of this group and their devices alone; may be given several times",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [word.strip() for word in options["scopes"].split(",") if word.strip()]
        unknown = [word for word in wanted if word not in set(ApiScope)]
        if unknown or not wanted:
            raise CommandError(f"--scopes: {', '.join(unknown) or 'none'}; known scopes: {', '.join(ApiScope)}.")
        for name, least, most in (("rate", 0, MOST_RATE), ("burst", 1, MOST_BURST)):
            if not least <= options[name] <= most:
                raise CommandError(f"--{name} is a number from {least} to {most}.")
        groups = dict(Group.objects.filter(name__in=options["groups"] or ()).values_list("name", "pk"))
        if missing := [name for name in options["groups"] or () if name not in groups]:
            raise CommandError(f"--group: there is no group {missing[0]!r}.")
        try:
            text = edits.create_key(
                options["name"],
                scopes=[ApiScope(word) for word in wanted],
                actor=Actor("create_api_key"),
                rate_limit=options["rate"],
                burst=options["burst"],
                known_recipients_only=options["known_recipients"],
                groups=list(groups.values()) if options["groups"] else None,
            )
        except IntegrityError:
            raise CommandError(f"There is a key named {options['name']!r} already; choose another name.") from None
        self.stdout.write(text)
