"""`manage.py timeline ID`: what happened to one delivery, try by try."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from dispatch.log import timeline
from dispatch.models import Delivery


class Command(BaseCommand):
    help = "Print the tries of one delivery: when, what the server said, and why the next one comes when it does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", type=UUID, help="the delivery's id, as in its mail's Message-ID")

    def handle(self, *args: Any, **options: Any) -> None:
        delivery = Delivery.objects.filter(pk=options["id"]).first()
        if delivery is None:
            raise CommandError("There is no delivery with this id.")
        for line in timeline.lines(delivery):
            self.stdout.write(line)
