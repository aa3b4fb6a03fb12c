"""The types of templates: one for each kind of event, with its channels and whom it reaches."""

from __future__ import annotations

from msgspec import Struct

from templates_app.channels import ADDRESSED, CHANNELS, MAILED
from transports.marks import gettext_noop as _
from transports.types import ChannelKind

_ADDRESSED = tuple(ADDRESSED)

ADHOC = "adhoc"
APNS_EXPIRATION = "system.apns_certificate_expiring"


class TemplateType(Struct, frozen=True):
    """`code` is the type of the events that fire it. `manual`: the type allows sending by hand."""

    name: str
    code: str
    channels: tuple[ChannelKind, ...] = CHANNELS
    manual: bool = True
    to_user: bool = True
    to_administrators: bool = False

    def recipient(self, kind: ChannelKind) -> str:
        """The pre-built Recipient of a channel; empty for Ad Hoc and for Secure Hub, which goes to devices."""
        if kind not in ADDRESSED:
            return ""
        whom = (("user", self.to_user), ("admin", self.to_administrators))
        return "; ".join(f"${{{prefix}.{ADDRESSED[kind].macro}}}" for prefix, wanted in whom if wanted)


TYPES: tuple[TemplateType, ...] = (
    TemplateType(_("Ad Hoc"), ADHOC, to_user=False),
    TemplateType(_("Enrollment Invitation"), "enrollment.invitation", _ADDRESSED, manual=False),
    TemplateType(_("Enrollment PIN"), "enrollment.pin", _ADDRESSED, manual=False),
    TemplateType(_("Enrollment Confirmation"), "enrollment.confirmation", manual=False),
    TemplateType(_("iOS Download Link"), "enrollment.download.ios", _ADDRESSED),
    TemplateType(_("Android Download Link"), "enrollment.download.android", _ADDRESSED),
    TemplateType(_("macOS Download Link"), "enrollment.download.macos", _ADDRESSED),
    TemplateType(_("Windows Download Link"), "enrollment.download.windows", _ADDRESSED),
    TemplateType(_("Jailbroken or Rooted Device"), "device.jailbroken"),
    TemplateType(_("Out of Compliance"), "device.out_of_compliance"),
    TemplateType(_("Non Compliant Allowlist/Blocklist Apps"), "device.app_compliance"),
    TemplateType(_("ActiveSync Gateway Blocked"), "device.smg_block"),
    TemplateType(_("Passcode Not Compliant"), "device.passcode_noncompliant"),
    TemplateType(_("Geofence Breach"), "device.geofence_breach"),
    TemplateType(_("Roaming"), "device.roaming"),
    TemplateType(_("Inactive Device"), "device.inactive"),
    TemplateType(_("Device Revoked"), "device.revoked", _ADDRESSED),
    TemplateType(_("Device Wiped"), "device.wiped", _ADDRESSED),
    TemplateType(_("Unmanaged Device"), "device.unmanaged", _ADDRESSED),
    TemplateType(_("Failed Samsung KNOX Attestation"), "device.knox_attestation_failed"),
    TemplateType(_("OS Update Required"), "device.os_outdated"),
    TemplateType(_("User Disabled in Directory"), "user.disabled", _ADDRESSED, to_administrators=True),
    TemplateType(_("Certificate Renewal"), "certificate.renewal"),
    TemplateType(
        _("APNS Cert Expiration"), APNS_EXPIRATION, _ADDRESSED, manual=False, to_user=False, to_administrators=True
    ),
    TemplateType(
        _("License Expiration"),
        "system.license_expiring",
        MAILED,
        manual=False,
        to_user=False,
        to_administrators=True,
    ),
    TemplateType(
        _("Server Unreachable"), "system.server_down", _ADDRESSED, manual=False, to_user=False, to_administrators=True
    ),
)
BY_CODE: dict[str, TemplateType] = {each.code: each for each in TYPES}
