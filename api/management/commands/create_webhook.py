"""Makes a webhook, or gives one a new secret, and shows the secret once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from api.access import edits
from api.kit.callers import ApiScope
from api.models import Webhook
from foundation.audit import Actor

_ACTOR = Actor("create_webhook")


class Command(BaseCommand):
    help = "Make a webhook that signs by Standard Webhooks; its secret is printed once and can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="a name that no other webhook has")
        parser.add_argument("--devices", action="store_true", help="what events tell of devices and users is kept")
        parser.add_argument(
            "--rotate", action="store_true", help="give a known webhook a new secret; the one before stays live too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(_rotated(options["name"]) if options["rotate"] else _made(options))


def _made(options: dict[str, Any]) -> str:
    scopes = [ApiScope.EVENTS, *([ApiScope.DEVICES] if options["devices"] else [])]
    try:
        return edits.create_webhook(options["name"], scopes=scopes, actor=_ACTOR)
    except IntegrityError:
        raise CommandError(f"There is a webhook {options['name']!r} already; --rotate gives it a new secret.") from None


def _rotated(name: str) -> str:
    webhook = Webhook.objects.filter(name=name).first()
    if webhook is None:
        raise CommandError(f"There is no webhook {name!r}.")
    return edits.rotate_webhook(webhook, actor=_ACTOR)
