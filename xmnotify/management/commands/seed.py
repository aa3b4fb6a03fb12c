"""`make seed`: puts the demo mail server and devices into an empty database, or with `--scale` a very full one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from xmnotify import env
from xmnotify.quickstart import demo, scale


class Command(BaseCommand):
    help = "Makes demo servers and 500 devices with their users, unless there are servers or devices already."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scale",
            action="store_true",
            help=f"make {scale.DELIVERIES:,} deliveries of two weeks and {scale.DEVICES:,} devices besides",
        )
        parser.add_argument("--deliveries", type=int, default=scale.DELIVERIES, help="how many --scale makes")
        parser.add_argument("--devices", type=int, default=scale.DEVICES, help="how many --scale makes")

    def handle(self, *arguments: Any, **options: Any) -> None:
        port = env.integer("XMNOTIFY_SMTP_SIM_PORT", 2525, least=1, most=65535)
        sms_port = env.integer("XMNOTIFY_SMS_SIM_PORT", 2526, least=1, most=65535)
        _check_port(port)
        try:
            made = demo.seed(smtp_port=port, sms_port=sms_port)
        except ValidationError as refused:
            raise CommandError(" ".join(refused.messages)) from None
        print("Made the demo data." if made else "There are servers or devices already; no demo data was made.")
        if options["scale"]:
            deliveries, devices = max(options["deliveries"], 1), max(options["devices"], 1)
            try:
                scale.make(print, deliveries=deliveries, devices=devices, now=timezone.now())
            except scale.NotEmptyError as breach:
                raise CommandError(str(breach)) from None


def _check_port(port: int) -> None:
    """Mail would be refused the way to the simulated server; `make run` opens it by itself."""
    allowed = settings.XMNOTIFY_SMTP_PORTS
    if allowed is not None and port not in allowed:
        ports = ",".join(str(each) for each in sorted({*allowed, port}))
        raise CommandError(
            f"XMNOTIFY_SMTP_SIM_PORT is {port}, where XMNOTIFY_SMTP_PORTS lets no mail go: "
            f"set XMNOTIFY_SMTP_PORTS={ports}."
        )
