"""What a failed test of a push service means in plain words, and what to do about it."""

from __future__ import annotations

from transports.marks import gettext_noop as _
from transports.stages import Advice, AdviceRow, look_up
from transports.types import Reason, ReasonCode

_CERTIFICATE = ReasonCode.CERTIFICATE_INVALID
_CONFIGURATION = ReasonCode.CONFIGURATION
_CREDENTIALS = ReasonCode.CREDENTIALS_REFUSED
_TOKEN = ReasonCode.TOKEN_REFUSED
_CLOCKS = _("Check the clocks of both machines.")
_TIME_SERVER = _("Let the clock be set by a time server.")
_CHAIN = _(
    "Update this machine's certificate authorities: Apple's certificates end in “USERTrust RSA Certification "
    "Authority”. A firewall that opens TLS may also be between."
)

# The words are OpenSSL's, the services' and those of `apns_replies`, `fcm_replies`, `tokens` and `http2`.
_ROWS: tuple[AdviceRow, ...] = (
    AdviceRow(
        ReasonCode.NAME_NOT_RESOLVED,
        _("The service's name could not be resolved."),
        _("Check which name server this machine asks, and whether it may reach the internet."),
    ),
    AdviceRow(
        ReasonCode.CONNECTION_REFUSED,
        _("Nothing listens there."),
        _("Check the firewall; leave the base URL empty to use the service itself."),
    ),
    AdviceRow(
        ReasonCode.CONNECT_TIMEOUT,
        _("The service did not answer: a firewall drops the connection."),
        _("Open the way from this machine to the service, port 443."),
    ),
    AdviceRow(
        ReasonCode.NO_ROUTE, _("There is no route to the service."), _("Check this machine's network and the base URL.")
    ),
    AdviceRow(
        ReasonCode.ADDRESS_NOT_ALLOWED,
        _("This address or port is not allowed for outgoing requests."),
        _("Use a public address on the usual port, or have the operator allow this network or port."),
    ),
    AdviceRow(_CERTIFICATE, _("The certificate has expired."), _CLOCKS, words="has expired"),
    AdviceRow(_CERTIFICATE, _("The certificate is not valid yet."), _CLOCKS, words="not yet valid"),
    AdviceRow(
        _CERTIFICATE,
        _("The certificate was issued for another name."),
        _("A firewall or proxy that opens TLS answers in place of the service: let pushes through unopened."),
        words="mismatch",
    ),
    AdviceRow(
        _CERTIFICATE,
        _("A proxy or firewall answers in place of the service, with a certificate of its own."),
        _("Let pushes through unopened, or have this machine trust its authority."),
        words="self[- ]signed",
    ),
    AdviceRow(_CERTIFICATE, _("The service's certificate is not trusted here: an authority is missing."), _CHAIN),
    AdviceRow(
        ReasonCode.TLS_FAILED,
        _("The server speaks no HTTP/2."),
        _("A proxy may be between that speaks HTTP/1.1 only: let pushes through unopened."),
        words="no application protocol",
    ),
    AdviceRow(
        ReasonCode.TLS_FAILED,
        _("TLS could not be set up."),
        _("A proxy or firewall may answer in place of the service: let pushes through unopened."),
    ),
    AdviceRow(
        ReasonCode.PROTOCOL_ERROR,
        _("The server speaks no HTTP/2."),
        _("A proxy may be between that speaks HTTP/1.1 only: let pushes through unopened."),
        words="speaks no HTTP/2",
    ),
    AdviceRow(
        ReasonCode.PROTOCOL_ERROR,
        _("What answers there is not the push service."),
        _("A proxy or the log-in page of a network may be between: let pushes through unopened."),
    ),
    AdviceRow(
        ReasonCode.POLICY,
        _("Something between refuses the request."),
        _("Check the firewall and proxies of this network."),
    ),
    AdviceRow(_CONFIGURATION, _("This machine's clock is wrong."), _TIME_SERVER, words="clock"),
    AdviceRow(
        _CONFIGURATION,
        _("APNs takes this machine's token for too old."),
        _TIME_SERVER,
        words="ExpiredProviderToken",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The key or certificate is for APNs' other environment."),
        _("Change Environment, or use a key for it: some keys are limited to sandbox or production."),
        words="BadEnvironmentKey|BadCertificateEnvironment",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("This key may not send to this topic."),
        _("Check the topic (the app's bundle ID) and the team ID; a key can be limited to other topics."),
        words="TopicDisallowed",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The topic is missing or none."),
        _("Enter the app's bundle ID as the topic."),
        words="MissingTopic|BadTopic",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("This key does not belong to this team."),
        _("Check key ID and team ID on Apple's developer pages."),
        words="UnrelatedKeyIdInToken",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The FCM interface is switched off in this project."),
        _("In the Google Cloud console switch on “Firebase Cloud Messaging API” for the project."),
        words="SERVICE_DISABLED|has not been used|is disabled",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The service account may not send for this project."),
        _("Give it the role “Firebase Cloud Messaging API Admin”, or use the key file of the app's own project."),
        words="PERMISSION_DENIED",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("There is no such project or interface."),
        _("Use the key file of the app's own project; leave the base URL empty to use the service itself."),
        words="NOT_FOUND|BadPath|MethodNotAllowed",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("This is not the key file."),
        _("Choose the AuthKey_….p8 file that Apple gave out for this key ID."),
        words="key file|this key",
    ),
    AdviceRow(_CONFIGURATION, _("The service does not take these settings."), _("Its words say more.")),
    AdviceRow(
        _CREDENTIALS,
        _("This machine's clock is wrong, so its requests for a token are refused."),
        _TIME_SERVER,
        words="clocks|reasonable timeframe|short-lived",
    ),
    AdviceRow(
        _CREDENTIALS,
        _("Google does not know this key: it was deleted, or its account was."),
        _("In the Firebase console generate a new private key, and choose that file here."),
        words="invalid_grant|invalid_client|unauthorized_client",
    ),
    AdviceRow(
        _CREDENTIALS,
        _("APNs refuses the certificate: it has expired or was revoked."),
        _("Renew it on Apple's developer pages, or better use a key (.p8), which does not expire."),
        words="alert|BadCertificate",
    ),
    AdviceRow(
        _CREDENTIALS,
        _("APNs refuses the key."),
        _("Check that key ID, team ID and key file belong together, and that the key was not revoked."),
        words="ProviderToken",
    ),
    AdviceRow(_CREDENTIALS, _("The service refused the key."), _("Use a new key file.")),
    AdviceRow(
        ReasonCode.AUTH_TEMPORARY,
        _("Google gives out no access token at the moment."),
        _("Try again later; check that this machine may reach oauth2.googleapis.com."),
    ),
    AdviceRow(
        _TOKEN,
        _("This device's token is of another app."),
        _("Check that the topic is the bundle ID of the app that runs on this device."),
        words="DeviceTokenNotForTopic",
    ),
    AdviceRow(
        _TOKEN,
        _("This device's token is not of this environment."),
        _("Change Environment: tokens of apps from Xcode are for sandbox, all others for production."),
        words="BadDeviceToken",
    ),
    AdviceRow(
        _TOKEN,
        _("This device is registered with another project."),
        _("Use the key file of the project that the app was built with."),
        words="SENDER_ID_MISMATCH",
    ),
    AdviceRow(
        _TOKEN, _("The service can't use this device's token."), _("Test with a device that has registered lately.")
    ),
    AdviceRow(
        ReasonCode.TOKEN_DEAD,
        _("This device no longer takes notifications of the app."),
        _("Test with a device that has registered lately."),
    ),
    AdviceRow(
        ReasonCode.ADDRESS_INVALID,
        _("This is no device token of this service."),
        _("Test with a device that has registered lately."),
    ),
    AdviceRow(ReasonCode.THROTTLED, _("The service takes no more at the moment."), _("Wait, and test again later.")),
    AdviceRow(ReasonCode.SERVICE_UNAVAILABLE, _("The service is not available."), _("Try again later.")),
    AdviceRow(ReasonCode.TEMPORARY, _("The service has a fault of its own."), _("Try again later.")),
    AdviceRow(
        ReasonCode.TIMEOUT,
        _("The service did not answer in time."),
        _("Look at what stands between; a message handed over may arrive all the same."),
    ),
    AdviceRow(
        ReasonCode.DISCONNECTED,
        _("The connection was closed before an answer came."),
        _("Check what stands between; a proxy or firewall may refuse HTTP/2."),
    ),
)

_OTHERWISE = Advice(_("The service did not take the message."), _("Its words say more."))


def advise(reason: Reason) -> Advice:
    """Cause and hint for `reason`."""
    return look_up(_ROWS, reason, otherwise=_OTHERWISE)
