"""A small world for database tests: a server, a template, a person with a device."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from devices.models import Device, Person
from dispatch.models import Event
from dispatch.outbox import store
from dispatch.rules.plan import Planned
from dispatch.upkeep import beat, clocks
from dispatch.wakeup import liveness
from foundation.sql.ids import new_uid
from servers.carriers import matching
from servers.models import CarrierGateway, PushService, SmsGateway, SmtpServer
from servers.values import ServerKind
from templates_app import edits
from templates_app.models import NotificationTemplate, TemplateChannel, TemplateText, TemplateVersion
from tests.wire import push
from transports.types import AddressKind, ChannelKind, Recipient

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def smtp_server(*, port=2525, name="Mail", active=True, **fields):
    fields = {"host": "127.0.0.1", "from_email": "noreply@example.com", **fields}
    fields.setdefault("unencrypted_accepted", fields.get("authentication", False))
    return SmtpServer.objects.create(kind="smtp", name=name, active=active, port=port, **fields)


def sms_gateway(*, name="Nexmo", active=True, **fields):
    fields = {"key": "a1b2c3d4", "secret": "a secret", "country": "US", "unencrypted_accepted": True, **fields}
    return SmsGateway.objects.create(kind="sms", name=name, active=active, **fields)


def simulated_gateway(url, **fields):
    """One that points at a simulator, whose key and secret it has."""
    made = sms_gateway(
        base_url=url, **{"key": "demo", "secret": "demo-secret", "country": "GB", "timeout": 5, **fields}
    )
    return SmsGateway.objects.get(pk=made.pk)


def apns(*, name="Apple", active=True, **fields):
    fields = {"key_id": push.KEY_ID, "team_id": push.TEAM_ID, "topic": push.TOPIC, **fields}
    key_file = push.apple_pem()[0]
    return PushService.objects.create(kind="apns", name=name, active=active, key_file=key_file, **fields)


def carrier_gateway(*, carrier="AT&T", domain="sms.att.example", country="US", **fields):
    key = matching.key(carrier)
    return CarrierGateway.objects.create(carrier=carrier, carrier_key=key, domain=domain, country=country, **fields)


def template(
    *,
    name="Jailbroken",
    type_code="device.jailbroken",
    predefined=False,
    subject="Hello ${user.displayname}",
    message="Dear ${user.displayname}, your ${device.model} is jailbroken.",
    recipient="${user.mail}",
    html="",
    kind="smtp",
    **fields,
):
    made = NotificationTemplate.objects.create(name=name, type=type_code, predefined=predefined, **fields)
    version = TemplateVersion.objects.create(template=made, number=1)
    channel = TemplateChannel.objects.create(version=version, kind=kind, active=True, recipient=recipient)
    TemplateText.objects.create(channel=channel, language="", subject=subject, message=message, html=html)
    made.current = version
    made.save()
    return made


def write(template, content):
    """Make this content the template's current version, whatever is wrong with it."""
    version = TemplateVersion.objects.create(template=template, number=template.versions.count() + 1)
    edits.store(content, version=version, channels=TemplateChannel, texts=TemplateText)
    template.current = version
    template.save()


def person(*, loginname="u1", mail="u1@example.com", displayname="User One", **fields):
    return Person.objects.create(loginname=loginname, mail=mail, displayname=displayname, **fields)


def device(*, serial="S1", owner=None, model="iPhone 15", **fields):
    return Device.objects.create(serial=serial, person=owner, model=model, platform="iOS", **fields)


def many_deliveries(count, *, server, people=500):
    """Events of `count` people with one mail each, as ingest stores them, in bulk; answers the deliveries' ids."""
    version = template(name="Many", type_code="many").current
    owners = Person.objects.bulk_create(
        [
            Person(loginname=f"many{number}", displayname=f"User {number}", mail=f"many{number}@example.com")
            for number in range(min(count, people))
        ]
    )
    now = datetime.now(UTC)
    events = [
        Event(
            type="many",
            origin="test",
            occurred_at=now,
            received_at=now,
            payload={"data": {"n": number}},
            person=owners[number % len(owners)],
        )
        for number in range(count)
    ]
    Event.objects.bulk_create(events, batch_size=1000)
    planned = [
        Planned(
            id=new_uid(),
            channel=ChannelKind.SMTP,
            server_kind=ServerKind.SMTP,
            to=Recipient(AddressKind.MAIL, event.person.mail, event.person.displayname),
            expires_at=now + timedelta(days=3),
            event_id=event.pk,
            template_version_id=version.pk,
            server_id=server.pk,
            person_id=event.person_id,
        )
        for event in events
    ]
    store.add(planned, now=now)
    return [row.id for row in planned]


def all_is_well(monkeypatch):
    """Workers, sweep and broker show life."""
    now = timezone.now()
    for queue in beat.QUEUES:
        liveness.beat(queue, now=now)
    clocks.show_life(jump=timedelta(), now=now)
    monkeypatch.setattr("dispatch.wakeup.broker_watch.trouble", lambda: None)


def sms_template(*, message="Your ${device.model} is jailbroken.", **fields):
    """One that is written for SMS alone."""
    made = template(recipient="${user.mobile}", **fields)
    TemplateChannel.objects.filter(version=made.current).update(kind="sms")
    TemplateText.objects.filter(channel__version=made.current).update(subject="", message=message)
    return made
