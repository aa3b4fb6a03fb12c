"""The names that macros may use, with what they mean and a sample: for lint, completion and preview."""

from __future__ import annotations

from msgspec import Struct


class Name(Struct, frozen=True):
    path: str
    meaning: str
    sample: str


NAMES: tuple[Name, ...] = (
    Name("user.loginname", "Log-in name", "ana.silva"),
    Name("user.username", "User name without the domain", "ana.silva"),
    Name("user.domainname", "Domain of the user", "example.com"),
    Name("user.displayname", "Full name", "Ana Silva"),
    Name("user.mail", "Mail address", "ana.silva@example.com"),
    Name("user.mobile", "Mobile number", "+493012345678"),
    Name("user.givenname", "Given name", "Ana"),
    Name("user.sn", "Family name", "Silva"),
    Name("user.title", "Job title", "Engineer"),
    Name("user.department", "Department", "Research"),
    Name("user.company", "Company", "Example Ltd"),
    Name("user.language", "Language", "en"),
    Name("device.serialNumber", "Serial number", "C39XV0QJKXK4"),
    Name("device.imei", "IMEI", "490154203237518"),
    Name("device.platform", "Platform: iOS, ANDROID, WINDOWS or MACOSX", "iOS"),
    Name("device.osVersion", "Version of the operating system", "18.1"),
    Name("device.model", "Model", "iPhone 16"),
    Name("device.ownership", "Corporate, BYOD or unknown", "corporate"),
    Name("device.carrier", "Carrier of the SIM", "Example Mobile"),
    Name("device.TEL_NUMBER", "Phone number of the device", "+493012345678"),
    Name("device.SYSTEM_OS_VERSION", "Version of the operating system, as reported", "18.1"),
    Name("device.SYSTEM_PLATFORM", "Platform, as reported", "iPhone"),
    Name("device.SYSTEM_OEM", "Maker of the device", "Apple"),
    Name("device.CORPORATE_OWNED", "Whether the company owns the device", "true"),
    Name("device.ROOT_ACCESS", "Whether the device is jailbroken or rooted", "false"),
    Name("event.type", "Type of the event", "device.jailbroken"),
    Name("event.id", "Id of the event", "0193a5c2-7f00-7000-8000-000000000001"),
    Name("event.source", "System that sent the event", "mdm.example.com"),
    Name("event.occurred_at", "When it happened", "2026-11-22T14:00:00+01:00"),
    Name("event.data", "What the event supplied; go on with a path, as in event.data.app.name", ""),
    Name("enrollment.url", "Where to enroll", "https://enroll.example.com/e/sample"),
    Name("enrollment.pin", "One-time PIN", "123456"),
    Name("enrollment.expires_at", "Until when the invitation holds", "2026-11-29T14:00:00+01:00"),
    Name("enrollment.mode", "Enrollment mode", "invitation_pin"),
    Name("certificate.name", "Name of the certificate", "APNs certificate"),
    Name("certificate.expires_at", "When the certificate expires", "2026-12-22T23:59:59+00:00"),
    Name("certificate.days_left", "Days until then", "30"),
    Name("server.name", "Name of the server", "Main relay"),
    Name("server.kind", "Kind of the server", "SMTP server"),
    Name("server.reason", "What is wrong with it", "Connection refused"),
    Name("console.name", "Name of this console", "xmnotify"),
    Name("console.url", "Address of this console", "https://notify.example.com"),
    Name("admin.mail", "An administrator's mail address", "admin@example.com"),
    Name("admin.mobile", "An administrator's mobile number", "+493087654321"),
)
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
