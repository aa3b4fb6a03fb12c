"""What a failed test of an SMS gateway means in plain words, and what to do about it."""

from __future__ import annotations

from datetime import timedelta

from transports.marks import gettext_noop as _
from transports.stages import Advice, AdviceRow, look_up
from transports.types import Reason, ReasonCode

_CERTIFICATE = ReasonCode.CERTIFICATE_INVALID
_CONFIGURATION = ReasonCode.CONFIGURATION
_CLOCKS = _("Check the clocks of both machines.")

# The words are OpenSSL's (X509_verify_cert_error_string), the service's and those of `nexmo_replies`.
_ROWS: tuple[AdviceRow, ...] = (
    AdviceRow(
        ReasonCode.NAME_NOT_RESOLVED,
        _("The service's name could not be resolved."),
        _("Check the base URL, or which name server this machine asks."),
    ),
    AdviceRow(
        ReasonCode.CONNECTION_REFUSED,
        _("Nothing listens there."),
        _("Check the base URL and its port; leave the base URL empty to use the service itself."),
    ),
    AdviceRow(
        ReasonCode.CONNECT_TIMEOUT,
        _("The service did not answer: a firewall drops the connection, or the address is wrong."),
        _("Open the way from this machine to the service: port 443 with HTTPS, port 80 without."),
    ),
    AdviceRow(
        ReasonCode.NO_ROUTE, _("There is no route to the service."), _("Check the base URL and this machine's network.")
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
        _("Check the base URL; a firewall that opens TLS may also be between."),
        words="mismatch",
    ),
    AdviceRow(
        _CERTIFICATE,
        _("The certificate is not trusted here."),
        _("A firewall that opens TLS may be between: have this machine trust its authority, or let requests through."),
    ),
    AdviceRow(
        ReasonCode.TLS_FAILED,
        _("TLS could not be set up."),
        _("Check that the base URL leads to an HTTPS port, or what stands between."),
    ),
    AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        _("The service refused the key or the secret."),
        _("Type both again; they stand in the API settings of the account."),
    ),
    AdviceRow(
        ReasonCode.ANSWERS_LOST,
        _("The service takes messages, but no answer is heard: its answers come later than Timeout, or never."),
        _("Raise Timeout, under Advanced Settings; what stands between may also drop the connection."),
    ),
    AdviceRow(
        ReasonCode.REFUSED_ALIKE,
        _("The service refuses one message after the other with the same words."),
        _("What they name applies to every message: the sender, the account or a setting of this gateway."),
    ),
    AdviceRow(
        ReasonCode.SIGNATURE_REFUSED,
        _("The service refused the signature."),
        _("Type the signature secret again and choose the method that the account is set to."),
    ),
    AdviceRow(
        ReasonCode.VIRTUAL_NUMBER_NOT_OWNED,
        _("The number belongs to the account but can't send SMS."),
        _("Enter a number with the feature SMS."),
        words="without SMS",
    ),
    AdviceRow(
        ReasonCode.VIRTUAL_NUMBER_NOT_OWNED,
        _("The virtual phone number does not belong to this account."),
        _("Enter a number that the account has bought, with its country code and digits only."),
    ),
    AdviceRow(
        ReasonCode.VIRTUAL_NUMBER_MISSING,
        _("Numbers with the prefix +1 get SMS from a virtual phone number only."),
        _("Enter the virtual phone number of the account, or test with a number elsewhere."),
    ),
    AdviceRow(
        ReasonCode.SENDER_REFUSED,
        _("The service does not allow this sender in the recipient's country."),
        _("Use a virtual phone number of that country, or register the sender with the service."),
    ),
    AdviceRow(
        ReasonCode.DEMO_ACCOUNT,
        _("The account is a trial: it sends to the test numbers entered there only."),
        _("Add this number to the test numbers of the account, or top it up."),
    ),
    AdviceRow(
        ReasonCode.OUT_OF_CREDIT,
        _("The account has no credit left."),
        _("Top it up; messages wait until a test passes."),
    ),
    AdviceRow(
        ReasonCode.ACCOUNT_SUSPENDED,
        _("The account is suspended."),
        _("Ask the service why; messages wait until it is lifted."),
    ),
    AdviceRow(ReasonCode.NUMBER_BARRED, _("The recipient's number is barred."), _("Test with another number.")),
    AdviceRow(
        ReasonCode.NUMBER_INVALID,
        _("The service can't send to this number."),
        _("Check the number and its country code; test with another one."),
    ),
    AdviceRow(
        ReasonCode.THROTTLED,
        _("The service takes no more at the moment."),
        _("Wait, or lower the rate limit: another system may use the same key."),
    ),
    AdviceRow(
        _CONFIGURATION,
        _("What answers there sends requests elsewhere."),
        _("Redirects are not followed: enter the address it leads to as the base URL, or switch HTTPS on."),
        words="^it redirects",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("There is no SMS service at this address."),
        _("Check the base URL; leave it empty to use the service itself."),
        words="^(not found|gone|method not allowed|not implemented)",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The account is not enabled for the SMS API."),
        _("Have it enabled by the service."),
        words="http|rest|enabled|allowed",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The service does not take the address for receipts."),
        _("Check the console's address (XMNOTIFY_CONSOLE_URL)."),
        words="callback",
    ),
    AdviceRow(
        _CONFIGURATION,
        _("The service does not take such requests."),
        _("Its words say why; check key, secret and signature."),
    ),
    AdviceRow(
        ReasonCode.PROTOCOL_ERROR,
        _("What answers there is not the SMS service."),
        _("Check the base URL; a log-in page of the network or a proxy may also be between."),
    ),
    AdviceRow(
        ReasonCode.POLICY,
        _("Something between refuses the request."),
        _("Check the firewall and proxies of this network."),
    ),
    AdviceRow(ReasonCode.SERVICE_UNAVAILABLE, _("The service is not available."), _("Try again later.")),
    AdviceRow(ReasonCode.TEMPORARY, _("The service has a fault of its own."), _("Try again later.")),
    AdviceRow(
        ReasonCode.TIMEOUT,
        _("The service did not answer in time."),
        _("Raise the timeout, or look at what stands between; a message handed over may arrive all the same."),
    ),
    AdviceRow(
        ReasonCode.NO_ANSWER,
        _("The service did not answer what stands between in time."),
        _("Try again later; a message handed over may arrive all the same."),
    ),
    AdviceRow(
        ReasonCode.DISCONNECTED,
        _("The connection was closed before an answer came."),
        _("Check what stands between; a message handed over may arrive all the same."),
    ),
)

_OTHERWISE = Advice(_("The service did not take the message."), _("Its words say more."))


def advise(reason: Reason) -> Advice:
    """Cause and hint for `reason`."""
    return look_up(_ROWS, reason, otherwise=_OTHERWISE)


def wrong_clock(ahead: timedelta) -> Advice:
    """For a refused signature while the service's clock is ahead of this machine's, or behind."""
    cause = (
        _("This machine's clock is behind the service's, so its signatures are refused.")
        if ahead > timedelta()
        else _("This machine's clock is ahead of the service's, so its signatures are refused.")
    )
    return Advice(cause, _("Let the clock be set by a time server."))
