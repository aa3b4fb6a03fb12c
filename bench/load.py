"""Fills the database with events whose mails are all different; importing it loads Django."""

from __future__ import annotations

import time
from datetime import datetime

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - after the set-up
from django.db import transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench import broadcast  # noqa: E402
from devices.models import Device  # noqa: E402
from devices.scope import EVERYBODY  # noqa: E402
from dispatch.broadcasts import control, progress  # noqa: E402
from dispatch.intake import accept, sends  # noqa: E402
from dispatch.intake.subjects import SubjectIn  # noqa: E402
from dispatch.models import Broadcast, Delivery  # noqa: E402
from dispatch.rules.states import DeliveryState  # noqa: E402
from foundation.audit import Actor  # noqa: E402
from servers.models import SmsGateway, SmtpServer  # noqa: E402
from templates_app.models import (  # noqa: E402
    NotificationTemplate,
    TemplateChannel,
    TemplateText,
    TemplateVersion,
)
from transports.types import ChannelKind  # noqa: E402
from xmnotify.quickstart import demo  # noqa: E402

_TEMPLATE = "Bench"
_ACTOR = Actor("bench")
_AT_ONCE = 500
_SUBJECT = "${device.model} ${device.serial} is jailbroken"


def prepare(*, smtp_port: int, connections: int, text: str) -> None:
    """Database, demo devices, a template with that text, and the demo server aimed at the sink."""
    call_command("migrate", verbosity=0, interactive=False)
    demo.seed(smtp_port=smtp_port)
    server = SmtpServer.objects.get(name=demo.SERVER)
    server.port, server.connections, server.revision = smtp_port, connections, server.revision + 1
    server.save()
    _make_template(ChannelKind.SMTP, recipient="${user.mail}", subject=_SUBJECT, message=text)


def prepare_sms(*, url: str, connections: int, rate: int, text: str) -> None:
    """The same for SMS, with the demo gateway aimed at `url`."""
    call_command("migrate", verbosity=0, interactive=False)
    demo.seed(smtp_port=1, sms_port=1)
    gateway = SmsGateway.objects.get(name=demo.GATEWAY)
    gateway.base_url, gateway.connections, gateway.rate_limit = url, connections, rate
    gateway.revision += 1
    gateway.save()
    _make_template(ChannelKind.SMS, recipient="${user.mobile}", subject="", message=text)


def prepare_broadcast(targets: int, *, smtp_port: int, connections: int) -> None:
    """Database, users with a device each, a server aimed at the sink, and a broadcast to all of them."""
    call_command("migrate", verbosity=0, interactive=False)
    broadcast.fill(targets, port=smtp_port)
    SmtpServer.objects.update(connections=connections)
    send_in = sends.SendIn(template=_TEMPLATE, audience={"all": [{"field": "platform", "op": "is", "value": "iOS"}]})
    sends.begin(send_in, sender=sends.Sender(_ACTOR, "bench"), now=timezone.now(), repeats=False)


def pause_broadcast(*, connections: int) -> None:
    """Pause it, wait until nothing of it is under way, change the server's limits, and have it go on."""
    pk = Broadcast.objects.get().pk
    control.pause(pk, actor=_ACTOR, now=timezone.now())
    while Delivery.objects.filter(state__in=[DeliveryState.DUE, DeliveryState.CLAIMED]).exists():
        time.sleep(0.1)
    changed = {"connections": connections, "rate_limit": 3_000, "max_recipients": 1 + connections}
    SmtpServer.objects.update(**changed, revision=F("revision") + 1)
    control.resume(pk, actor=_ACTOR, now=timezone.now())


def broadcast_page() -> str:
    """What the page of the broadcast says."""
    row = Broadcast.objects.get()
    counts = progress.of(row, scope=EVERYBODY, now=timezone.now()).counts
    return ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)


def _make_template(kind: ChannelKind, *, recipient: str, subject: str, message: str) -> None:
    template, made = NotificationTemplate.objects.get_or_create(name=_TEMPLATE, type="device.jailbroken")
    if not made:
        return
    version = TemplateVersion.objects.create(template=template, number=1)
    channel = TemplateChannel.objects.create(version=version, kind=kind.value, active=True, recipient=recipient)
    TemplateText.objects.create(channel=channel, subject=subject, message=message)
    template.current = version
    template.save()


def post(messages: int, *, sms: bool = False) -> None:
    """Take in that many events of one mail or SMS each."""
    reached = Device.objects.filter(has_sim=True) if sms else Device.objects.exclude(person__mail="")
    serials = list(reached.values_list("serial", flat=True))
    for start in range(0, messages, _AT_ONCE):
        now = timezone.now()
        posted = [
            _event(number, serial=serials[number % len(serials)], now=now)
            for number in range(start, min(start + _AT_ONCE, messages))
        ]
        with transaction.atomic():
            for answer in accept.accept_all(posted, origin="bench", now=now):
                assert isinstance(answer, accept.Accepted), answer
                assert answer.deliveries == 1, answer.notes


def _event(number: int, *, serial: str, now: datetime) -> accept.Posted:
    return accept.Posted(
        accept.EventIn(
            occurred_at=now, template=_TEMPLATE, source=f"event {number}", device=SubjectIn("serial", serial)
        )
    )
