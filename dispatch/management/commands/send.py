"""`manage.py send`: a template or a text to those whom a filter holds for, or to addresses."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from dispatch.broadcasts import reach
from dispatch.intake import sends
from dispatch.intake.sends import OverlapError, Sender, SendIn
from dispatch.intake.subjects import RefusedError
from foundation.audit import Actor
from transports.types import ChannelKind

_ACTOR = Actor("send")


class Command(BaseCommand):
    help = "Send a template or a text of your own as a broadcast; give --dry-run to see whom it would reach."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whom = parser.add_argument_group("to whom, one of")
        whom.add_argument("--filter", default="", help='JSON, such as {"all": [{"field": "platform", ...}]}')
        whom.add_argument("--device", action="append", default=[], help="serial number, IMEI or id; may be repeated")
        whom.add_argument("--user", action="append", default=[], help="login name or id; may be repeated")
        whom.add_argument("--mail", action="append", default=[], help="a mail address; may be repeated")
        whom.add_argument("--mobile", action="append", default=[], help="a phone number; may be repeated")
        what = parser.add_argument_group("what")
        what.add_argument("--template", default="", help="name or id of a template that supports manual sending")
        what.add_argument("--subject", default="", help="of a mail of your own")
        what.add_argument("--message", default="", help="of a mail of your own; - reads it from standard input")
        what.add_argument("--sms", default="", help="an SMS of your own")
        what.add_argument("--secure-hub", default="", help="a notification of your own")
        parser.add_argument("--channel", action="append", default=[], choices=[kind.value for kind in ChannelKind])
        parser.add_argument("--dry-run", action="store_true", help="only say whom it would reach and whom not")
        parser.add_argument("--repeat", action="store_true", help="although it is just being sent to the same people")

    def handle(self, **options: Any) -> None:
        send_in, sender, now = _send_in(options), Sender(actor=_ACTOR, origin="command"), timezone.now()
        try:
            self._tell(reach.of(sends.prepare(send_in, sender=sender, now=now).run))
            if options["dry_run"]:
                self.stdout.write("Nothing was sent: dry run.")
                return
            begun = sends.begin(send_in, sender=sender, now=now, repeats=options["repeat"])
        except RefusedError as refused:
            raise CommandError(f"{refused.field}: {refused.message}") from None
        except OverlapError as overlap:
            by, since = overlap.other.sent_by or "an event", f"{overlap.other.created_at:%H:%M:%S} UTC"
            raise CommandError(
                f"Nothing was sent: the same template is being sent to some of the same people by {by}, since {since}. "
                "Give --repeat to send it nevertheless."
            ) from None
        self.stdout.write(f"Broadcast {begun.id} was begun.")

    def _tell(self, found: reach.Reach) -> None:
        by_channel = ", ".join(f"{group.channel.value} {group.number}" for group in found.reached) or "none"
        self.stdout.write(f"Messages: {found.messages} to {found.people} people ({by_channel}).")
        for group in found.left_out:
            self.stdout.write(f"Left out: {group.number} by {group.channel.value}, {group.code}.")


def _send_in(options: dict[str, Any]) -> SendIn:
    try:
        audience = json.loads(options["filter"]) if options["filter"] else None
    except ValueError:
        raise CommandError('--filter: give JSON, such as {"all": [...]}.') from None
    mail = sys.stdin.read() if options["message"] == "-" else options["message"]
    texts = {
        ChannelKind.SMTP: {"subject": options["subject"], "message": mail},
        ChannelKind.SMS: {"message": options["sms"]},
        ChannelKind.SECURE_HUB: {"message": options["secure_hub"]},
    }
    addresses = {ChannelKind.SMTP: options["mail"], ChannelKind.SMS: options["mobile"]}
    return SendIn(
        template=options["template"],
        message={kind.value: said for kind, said in texts.items() if any(said.values())},
        audience=audience,
        devices=options["device"],
        users=options["user"],
        recipients={kind: given for kind, given in addresses.items() if given},
        channels=frozenset(map(ChannelKind, options["channel"])) or None,
    )
