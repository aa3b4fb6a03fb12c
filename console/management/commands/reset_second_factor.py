"""`manage.py reset_second_factor NAME`: for whoever lost both app and recovery codes, where no other can reset it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.accounts import edits
from console.models import SecondFactor
from foundation.audit import Actor


class Command(BaseCommand):
    help = "Switches off the second factor of an administrator, so that the password alone lets them in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the administrator's user name")

    def handle(self, *arguments: Any, **options: Any) -> None:
        factor = SecondFactor.objects.filter(user__username=options["name"]).first()
        if factor is None:
            raise CommandError(f"“{options['name']}” has no second factor.")
        edits.turn_off_second_factor(factor, actor=Actor("reset_second_factor"))
        self.stdout.write(f"The second factor of “{options['name']}” is off.")
