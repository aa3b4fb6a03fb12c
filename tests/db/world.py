"""A small world for database tests: a server, a template, a person with a device."""

from datetime import UTC, datetime

from devices.models import Device, Person
from servers.models import SmtpServer
from templates_app.models import NotificationTemplate, TemplateChannel, TemplateText, TemplateVersion

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def smtp_server(*, port=2525, name="Mail", active=True, **fields):
    fields = {"host": "127.0.0.1", "from_email": "noreply@example.com", **fields}
    return SmtpServer.objects.create(kind="smtp", name=name, active=active, port=port, **fields)


def template(
    *,
    name="Jailbroken",
    type_code="device.jailbroken",
    predefined=False,
    subject="Hello ${user.displayname}",
    message="Dear ${user.displayname}, your ${device.model} is jailbroken.",
    recipient="${user.mail}",
    html="",
    **fields,
):
    made = NotificationTemplate.objects.create(name=name, type=type_code, predefined=predefined, **fields)
    version = TemplateVersion.objects.create(template=made, number=1)
    channel = TemplateChannel.objects.create(version=version, kind="smtp", active=True, recipient=recipient)
    TemplateText.objects.create(channel=channel, language="", subject=subject, message=message, html=html)
    made.current = version
    made.save()
    return made


def person(*, loginname="u1", mail="u1@example.com", displayname="User One", **fields):
    return Person.objects.create(loginname=loginname, mail=mail, displayname=displayname, **fields)


def device(*, serial="S1", owner=None, model="iPhone 15", **fields):
    return Device.objects.create(serial=serial, person=owner, model=model, platform="iOS", **fields)
