"""The names that macros may use, with what they mean and a sample: for lint, completion and preview."""

from __future__ import annotations

from msgspec import Struct

from transports.marks import gettext_noop as _


class Name(Struct, frozen=True):
    path: str
    meaning: str
    sample: str


NAMES: tuple[Name, ...] = (
    Name("user.loginname", _("Log-in name"), "ana.silva"),
    Name("user.username", _("User name without the domain"), "ana.silva"),
    Name("user.domainname", _("Domain of the user"), "example.com"),
    Name("user.displayname", _("Full name"), "Ana Silva"),
    Name("user.mail", _("Mail address"), "ana.silva@example.com"),
    Name("user.mobile", _("Mobile number"), "+493012345678"),
    Name("user.givenname", _("Given name"), "Ana"),
    Name("user.sn", _("Family name"), "Silva"),
    Name("user.title", _("Job title"), "Engineer"),
    Name("user.department", _("Department"), "Research"),
    Name("user.company", _("Company"), "Example Ltd"),
    Name("user.language", _("Language"), "en"),
    Name("device.serialNumber", _("Serial number"), "C39XV0QJKXK4"),
    Name("device.imei", _("IMEI"), "490154203237518"),
    Name("device.platform", _("Platform: iOS, ANDROID, WINDOWS or MACOSX"), "iOS"),
    Name("device.osVersion", _("Version of the operating system"), "18.1"),
    Name("device.model", _("Model"), "iPhone 16"),
    Name("device.ownership", _("Corporate, BYOD or unknown"), "corporate"),
    Name("device.carrier", _("Carrier of the SIM"), "Example Mobile"),
    Name("device.TEL_NUMBER", _("Phone number of the device"), "+493012345678"),
    Name("device.SYSTEM_OS_VERSION", _("Version of the operating system, as reported"), "18.1"),
    Name("device.SYSTEM_PLATFORM", _("Platform, as reported"), "iPhone"),
    Name("device.SYSTEM_OEM", _("Maker of the device"), "Apple"),
    Name("device.CORPORATE_OWNED", _("Whether the company owns the device"), "true"),
    Name("device.ROOT_ACCESS", _("Whether the device is jailbroken or rooted"), "false"),
    Name("event.type", _("Type of the event"), "device.jailbroken"),
    Name("event.id", _("Id of the event"), "0193a5c2-7f00-7000-8000-000000000001"),
    Name("event.source", _("System that sent the event"), "mdm.example.com"),
    Name("event.occurred_at", _("When it happened"), "2026-11-22T14:00:00+01:00"),
    Name("event.data", _("What the event supplied; go on with a path, as in event.data.app.name"), ""),
    Name("enrollment.url", _("Where to enroll"), "https://enroll.example.com/e/sample"),
    Name("enrollment.pin", _("One-time PIN"), "123456"),
    Name("enrollment.expires_at", _("Until when the invitation holds"), "2026-11-29T14:00:00+01:00"),
    Name("enrollment.mode", _("Enrollment mode"), "invitation_pin"),
    Name("certificate.name", _("Name of the certificate"), "APNs certificate"),
    Name("certificate.expires_at", _("When the certificate expires"), "2026-12-22T23:59:59+00:00"),
    Name("certificate.days_left", _("Days until then"), "30"),
    Name("server.name", _("Name of the server"), "Main relay"),
    Name("server.kind", _("Kind of the server"), "SMTP server"),
    Name("server.reason", _("What is wrong with it"), "Connection refused"),
    Name("console.name", _("Name of this console"), "xmnotify"),
    Name("console.url", _("Address of this console"), "https://notify.example.com"),
    Name("admin.mail", _("An administrator's mail address"), "admin@example.com"),
    Name("admin.mobile", _("An administrator's mobile number"), "+493087654321"),
)
SPACES = {
    "user": _("User"),
    "device": _("Device"),
    "event": _("Event"),
    "enrollment": _("Enrollment"),
    "certificate": _("Certificate"),
    "server": _("Server"),
    "console": _("Console"),
    "admin": _("Administrator"),
}
"""What the first parts of the names stand for."""
PATHS = frozenset(name.path for name in NAMES)
PREFIXES = frozenset(path.partition(".")[0] for path in PATHS) | {"custom"}
OPEN_PREFIXES = frozenset({"user", "device", "custom"})


def sample_values() -> dict[str, dict[str, str]]:
    """Values for a preview without user, device or event: the samples, by prefix."""
    values: dict[str, dict[str, str]] = {}
    for name in NAMES:
        prefix, _, key = name.path.partition(".")
        if name.sample:
            values.setdefault(prefix, {})[key] = name.sample
    return values
