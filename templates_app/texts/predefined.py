"""The texts of the predefined templates: what happened, and what to do."""

from __future__ import annotations

from msgspec import Struct

from templates_app.channels import TRAITS, Traits
from templates_app.texts.content import Channel, Content, Wording
from templates_app.types import ADHOC, TemplateType

_DEVICE = "\n\nDevice: ${device.model 'unknown model'}, serial number ${device.serialNumber 'unknown'}\n"
_HELLO = "Hello ${user.displayname 'there'},\n\n"
_UNTIL = "${enrollment.expires_at | date('d MMMM yyyy HH:mm') | default('further notice')}"
_WHOSE = "${firstnotnull(user.displayname, user.loginname) | default('an unknown user')}"
_AGENT = "${firstnotnull(event.data.url, enrollment.url, console.url)}"
_WHAT = "${device.model 'device'}"


class Texts(Struct, frozen=True):
    """One predefined template in English. `sms` and `push` are empty where its type lacks the channel."""

    description: str
    subject: str = ""
    mail: str = ""
    sms: str = ""
    push: str = ""


def _to_user(mail: str) -> str:
    return f"{_HELLO}{mail}\n"


def _of_device(mail: str) -> str:
    return f"{_HELLO}{mail}{_DEVICE}"


def _download(system: str) -> Texts:
    return Texts(
        f"Tells the user where to get the agent for {system}.",
        f"Get the management agent for {system}",
        _to_user(
            f"To work with company mail and apps on your {system} device, install the management agent first:\n\n"
            f"{_AGENT}\n\n"
            f"Open the link on the {system} device itself, install the agent, start it and follow its steps."
        ),
        f"Install the management agent on your {system} device: {_AGENT}",
    )


TEXTS: dict[str, Texts] = {
    ADHOC: Texts("A message of your own to the recipients or devices of your choice."),
    "enrollment.invitation": Texts(
        "Invites the user to enroll a device.",
        "Enroll your device",
        _to_user(
            "you are invited to enroll your device, so that you can use company mail and apps on it.\n\n"
            f"Open this link on the device and follow the steps:\n${{enrollment.url}}\n\n"
            f"The link is for you alone. It is valid until {_UNTIL}."
        ),
        "Enroll your device: ${enrollment.url}",
    ),
    "enrollment.pin": Texts(
        "Sends the one-time PIN for an enrollment.",
        "Your enrollment PIN",
        _to_user(
            "your one-time enrollment PIN is:\n\n${enrollment.pin}\n\n"
            f"Enter it when the enrollment asks for it. It works once, until {_UNTIL}. "
            "Keep it to yourself: nobody from support will ever ask for it."
        ),
        "Your enrollment PIN: ${enrollment.pin}. It works once. Do not share it.",
    ),
    "enrollment.confirmation": Texts(
        "Confirms that a device is enrolled.",
        "Your device is enrolled",
        _of_device(
            f"your {_WHAT} is enrolled now. Company mail and apps arrive on it within the next minutes.\n\n"
            "If you did not enroll this device, tell your administrator at once."
        ),
        f"Your {_WHAT} is enrolled. If it was not you, tell your administrator at once.",
        f"This {_WHAT} is enrolled. If it was not you, tell your administrator.",
    ),
    "enrollment.download.ios": _download("iOS"),
    "enrollment.download.android": _download("Android"),
    "enrollment.download.macos": _download("macOS"),
    "enrollment.download.windows": _download("Windows"),
    "device.jailbroken": Texts(
        "Tells the user that the device is jailbroken or rooted.",
        "Your device is jailbroken or rooted",
        _of_device(
            f"your {_WHAT} was found to be jailbroken or rooted. Its protection no longer works, so company mail and "
            "apps may be blocked on it, and company data may be removed.\n\n"
            "Restore the original system of the device. If you need help, contact your administrator."
        ),
        f"Your {_WHAT} is jailbroken or rooted; company access may be blocked. Restore its original system.",
        "This device is jailbroken or rooted. Restore its original system to keep company access.",
    ),
    "device.out_of_compliance": Texts(
        "Tells the user that the device breaks a company rule.",
        "Your device is out of compliance",
        _of_device(
            f"your {_WHAT} does not comply with company rules.\n"
            "Reason: ${firstnotnull(event.data.reason, event.data.policy) | default('not stated')}\n\n"
            "Company mail and apps may be blocked until this is put right. If you are not sure what to do, "
            "contact your administrator."
        ),
        f"Your {_WHAT} is out of compliance; company access may be blocked. Please contact your administrator.",
        "This device is out of compliance: ${event.data.reason 'contact your administrator'}",
    ),
    "device.app_compliance": Texts(
        "Tells the user which apps are forbidden or missing.",
        "Apps on your device do not comply",
        _of_device(
            f"these apps on your {_WHAT} are not allowed, or are required and missing:\n\n"
            "${outofcompliance.reason(allowlist_blocklist_apps_name) | default('see the list of your administrator')}"
            "\n\nRemove what is not allowed and install what is missing. Until then company mail and apps may be "
            "blocked."
        ),
        "Apps on your device do not comply: "
        "${outofcompliance.reason(allowlist_blocklist_apps_name) | default('ask your administrator') | truncate(80)}",
        "Apps do not comply: "
        "${outofcompliance.reason(allowlist_blocklist_apps_name) | default('ask your administrator') | truncate(120)}",
    ),
    "device.smg_block": Texts(
        "Tells the user that the gateway blocks mail for the device.",
        "Mail is blocked on your device",
        _of_device(
            f"the ActiveSync gateway blocks company mail on your {_WHAT}.\n"
            "Reason: ${outofcompliance.reason(smg_block) | default('not stated')}\n\n"
            "Mail comes back by itself when the reason is gone. If you need help, contact your administrator."
        ),
        f"Company mail is blocked on your {_WHAT}: "
        "${outofcompliance.reason(smg_block) | default('ask your administrator') | truncate(80)}",
        "Company mail is blocked: ${outofcompliance.reason(smg_block) | default('ask your administrator')}",
    ),
    "device.passcode_noncompliant": Texts(
        "Asks the user to set a passcode that follows the rules.",
        "Please change the passcode of your device",
        _of_device(
            f"your {_WHAT} has no passcode, or one that does not follow company rules.\n\n"
            "Set a new passcode in the device's settings. Until then company mail and apps may be blocked."
        ),
        f"The passcode of your {_WHAT} does not follow company rules. Set a new one in its settings.",
        "The passcode of this device does not follow company rules. Set a new one in its settings.",
    ),
    "device.geofence_breach": Texts(
        "Tells the user that the device left its permitted area.",
        "Your device has left its permitted area",
        _of_device(
            f"your {_WHAT} has left the area in which it may be used "
            "(${event.data.geofence 'as set by your administrator'}).\n\n"
            "Bring it back, or company data on it may be locked or removed. If this is wrong, contact your "
            "administrator."
        ),
        f"Your {_WHAT} has left its permitted area. Bring it back or contact your administrator.",
        "This device has left its permitted area. Bring it back or contact your administrator.",
    ),
    "device.roaming": Texts(
        "Warns the user that the device is roaming.",
        "Your device is roaming",
        _of_device(
            f"your {_WHAT} is using another carrier's network (${{event.data.roaming 'domestic or international'}} "
            "roaming).\n\nCalls and data may cost extra. Switch data roaming off in the device's settings if you do "
            "not need it."
        ),
        f"Your {_WHAT} is roaming; calls and data may cost extra. Switch data roaming off if you do not need it.",
        "This device is roaming; data may cost extra. Switch data roaming off if you do not need it.",
    ),
    "device.inactive": Texts(
        "Asks the user to connect a device that has not been seen for long.",
        "Your device has not connected for a while",
        _of_device(
            f"your {_WHAT} has not connected for ${{event.data.days_inactive 'many'}} days.\n\n"
            "Switch it on, connect it to a network and open the management agent. If you no longer use the device, "
            "tell your administrator."
        ),
        f"Your {_WHAT} has not connected for ${{event.data.days_inactive 'many'}} days. Please open its management "
        "agent.",
        "This device has not connected for ${event.data.days_inactive 'many'} days. Please open the management agent.",
    ),
    "device.revoked": Texts(
        "Tells the user that the device may no longer be used.",
        "Your device has been revoked",
        _of_device(
            f"your {_WHAT} can no longer be used for company mail and apps: its management was revoked.\n\n"
            "If you still need it for work, ask your administrator for a new enrollment."
        ),
        f"Your {_WHAT} has been revoked and has no company access any more. Questions? Ask your administrator.",
    ),
    "device.wiped": Texts(
        "Tells the user that the device was wiped.",
        "Your device has been wiped",
        _of_device(
            f"the data on your {_WHAT} was removed by a wipe.\n\n"
            "If you did not ask for it, or still need the device for work, contact your administrator."
        ),
        f"Your {_WHAT} has been wiped. If you did not ask for it, contact your administrator.",
    ),
    "device.unmanaged": Texts(
        "Tells the user that the device is no longer managed.",
        "Your device is no longer managed",
        _of_device(
            f"your {_WHAT} is no longer managed, so company mail and apps no longer work on it.\n\n"
            "To use it for work again, enroll it once more or contact your administrator."
        ),
        f"Your {_WHAT} is no longer managed and has no company access. Enroll it again to use it for work.",
    ),
    "device.knox_attestation_failed": Texts(
        "Tells the user that a Samsung device failed its integrity check.",
        "Your Samsung device failed its integrity check",
        _of_device(
            f"your {_WHAT} failed the Samsung KNOX attestation: its system may have been changed. "
            "Company mail and apps may be blocked on it.\n\n"
            "Restart the device and install all updates. If this message comes again, contact your administrator."
        ),
        f"Your {_WHAT} failed its KNOX integrity check. Restart it, install all updates, or ask your administrator.",
        "This device failed its KNOX integrity check. Restart it and install all updates.",
    ),
    "device.os_outdated": Texts(
        "Asks the user to update the operating system.",
        "Please update your device",
        _of_device(
            f"your {_WHAT} runs version ${{device.osVersion 'unknown'}} of its system, which is no longer allowed.\n"
            "Required: ${event.data.required_version 'the latest version'}\n\n"
            "Install the update in the device's settings, connected to Wi-Fi and power."
        ),
        f"Your {_WHAT} needs an update: ${{event.data.required_version 'the latest version'}}. Install it in the "
        "settings.",
        "This device needs an update: ${event.data.required_version 'the latest version'}. Install it in the settings.",
    ),
    "user.disabled": Texts(
        "Tells user and administrators that the account was disabled.",
        f"Account disabled: {_WHOSE}",
        f"The account of {_WHOSE} (${{user.loginname 'unknown login name'}}) was disabled in the directory.\n\n"
        "Its devices lose company mail and apps. If this is a mistake, enable the account again in the directory.\n",
        f"The account of {_WHOSE} was disabled in the directory; its devices lose company access.",
    ),
    "certificate.renewal": Texts(
        "Asks the user to renew a certificate before it expires.",
        "A certificate on your device expires in ${certificate.days_left 'a few'} days",
        _of_device(
            f"the certificate ${{certificate.name 'of your device'}} on your {_WHAT} expires in "
            "${certificate.days_left 'a few'} days.\n\n"
            "Open the management agent while the device is connected: it renews the certificate. After the expiry "
            "company mail and apps stop working."
        ),
        f"A certificate on your {_WHAT} expires in ${{certificate.days_left 'a few'}} days. Open the management agent "
        "to renew it.",
        "A certificate expires in ${certificate.days_left 'a few'} days. Open the management agent to renew it.",
    ),
    "system.apns_certificate_expiring": Texts(
        "Warns the administrators before the APNs certificate expires.",
        "The APNs certificate expires in ${certificate.days_left 'a few'} days",
        "The APNs certificate ${certificate.name 'of this system'} expires on "
        "${certificate.expires_at | date('d MMMM yyyy') | default('an unknown date')}.\n\n"
        "After that no iOS device can be reached. Renew it with the same Apple ID as before (with another, every "
        "device must be enrolled again), then upload it under Settings > Secure Hub Push.\n\n${console.url ''}\n",
        "The APNs certificate expires in ${certificate.days_left 'a few'} days. Renew it with the same Apple ID.",
    ),
    "system.license_expiring": Texts(
        "Warns the administrators before a license expires.",
        "A license expires in ${event.data.days_left 'a few'} days",
        "The license ${event.data.license 'of the device management'} expires on "
        "${event.data.expires_at | date('d MMMM yyyy') | default('an unknown date')}.\n\n"
        "Renew it in time: without a license no further device can be enrolled.\n\n${console.url ''}\n",
    ),
    "system.server_down": Texts(
        "Tells the administrators that a server or gateway of ours does not answer.",
        "${server.name 'A server'} is unreachable",
        "${server.kind 'Server'}: ${server.name 'unknown'}\nReason: ${server.reason 'not known'}\n"
        "Since: ${event.occurred_at | date('d MMMM yyyy HH:mm XXX') | default('now')}\n\n"
        "Messages wait and are sent when it works again. Check it with Test Configuration under Settings > "
        "Notification Server.\n\n${console.url ''}\n",
        "${server.name 'A server'} is unreachable: ${server.reason 'reason not known' | truncate(90)}",
    ),
}


def content(kind: TemplateType) -> Content:
    """What the predefined template of a type says: all its channels active, with their pre-built recipients."""
    return Content(
        channels=tuple(
            Channel(
                kind=channel,
                active=True,
                recipient=kind.recipient(channel),
                sound=TRAITS[channel].sound,
                wordings=(_wording(TEXTS[kind.code], traits=TRAITS[channel]),),
            )
            for channel in kind.channels
        )
    )


def _wording(texts: Texts, *, traits: Traits) -> Wording:
    subject = texts.subject if "subject" in traits.texts else ""
    return Wording(subject=subject, message=getattr(texts, traits.predefined))
