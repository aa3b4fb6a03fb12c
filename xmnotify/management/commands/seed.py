"""`make seed`: puts the demo mail server and devices into an empty database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from xmnotify import demo, env


class Command(BaseCommand):
    help = "Makes a demo mail server and 500 devices with their users, unless there are servers or devices already."

    def handle(self, *arguments: Any, **options: Any) -> None:
        port = env.integer("XMNOTIFY_SMTP_SIM_PORT", 2525, least=1, most=65535)
        made = demo.seed(smtp_port=port)
        print("Made the demo data." if made else "There are servers or devices already; nothing was made.")
