"""What a failed test of an SMS gateway means in plain words, and what to do about it."""

from __future__ import annotations

from datetime import timedelta

from transports.stages import Advice, AdviceRow, look_up
from transports.types import Reason, ReasonCode

_CERTIFICATE = ReasonCode.CERTIFICATE_INVALID
_CONFIGURATION = ReasonCode.CONFIGURATION
_CLOCKS = "Check the clocks of both machines."

# The words are OpenSSL's (X509_verify_cert_error_string), the service's and those of `nexmo_replies`.
_ROWS: tuple[AdviceRow, ...] = (
    AdviceRow(
        ReasonCode.NAME_NOT_RESOLVED,
        "The service's name could not be resolved.",
        "Check the base URL, or which name server this machine asks.",
    ),
    AdviceRow(
        ReasonCode.CONNECTION_REFUSED,
        "Nothing listens there.",
        "Check the base URL and its port; leave the base URL empty to use the service itself.",
    ),
    AdviceRow(
        ReasonCode.CONNECT_TIMEOUT,
        "The service did not answer: a firewall drops the connection, or the address is wrong.",
        "Open the way from this machine to the service: port 443 with HTTPS, port 80 without.",
    ),
    AdviceRow(
        ReasonCode.NO_ROUTE, "There is no route to the service.", "Check the base URL and this machine's network."
    ),
    AdviceRow(
        ReasonCode.ADDRESS_NOT_ALLOWED,
        "This address or port is not allowed for outgoing requests.",
        "Use a public address on the usual port, or have the operator allow this network or port.",
    ),
    AdviceRow(_CERTIFICATE, "The certificate has expired.", _CLOCKS, words="has expired"),
    AdviceRow(_CERTIFICATE, "The certificate is not valid yet.", _CLOCKS, words="not yet valid"),
    AdviceRow(
        _CERTIFICATE,
        "The certificate was issued for another name.",
        "Check the base URL; a firewall that opens TLS may also be between.",
        words="mismatch",
    ),
    AdviceRow(
        _CERTIFICATE,
        "The certificate is not trusted here.",
        "A firewall that opens TLS may be between: have this machine trust its authority, or let requests through.",
    ),
    AdviceRow(
        ReasonCode.TLS_FAILED,
        "TLS could not be set up.",
        "Check that the base URL leads to an HTTPS port, or what stands between.",
    ),
    AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        "The service refused the key or the secret.",
        "Type both again; they stand in the API settings of the account.",
    ),
    AdviceRow(
        ReasonCode.ANSWERS_LOST,
        "The service takes messages, but no answer is heard: its answers come later than Timeout, or never.",
        "Raise Timeout, under Advanced Settings; what stands between may also drop the connection.",
    ),
    AdviceRow(
        ReasonCode.REFUSED_ALIKE,
        "The service refuses one message after the other with the same words.",
        "What they name applies to every message: the sender, the account or a setting of this gateway.",
    ),
    AdviceRow(
        ReasonCode.SIGNATURE_REFUSED,
        "The service refused the signature.",
        "Type the signature secret again and choose the method that the account is set to.",
    ),
    AdviceRow(
        ReasonCode.VIRTUAL_NUMBER_NOT_OWNED,
        "The number belongs to the account but can't send SMS.",
        "Enter a number with the feature SMS.",
        words="without SMS",
    ),
    AdviceRow(
        ReasonCode.VIRTUAL_NUMBER_NOT_OWNED,
        "The virtual phone number does not belong to this account.",
        "Enter a number that the account has bought, with its country code and digits only.",
    ),
    AdviceRow(
        ReasonCode.VIRTUAL_NUMBER_MISSING,
        "Numbers with the prefix +1 get SMS from a virtual phone number only.",
        "Enter the virtual phone number of the account, or test with a number elsewhere.",
    ),
    AdviceRow(
        ReasonCode.SENDER_REFUSED,
        "The service does not allow this sender in the recipient's country.",
        "Use a virtual phone number of that country, or register the sender with the service.",
    ),
    AdviceRow(
        ReasonCode.DEMO_ACCOUNT,
        "The account is a trial: it sends to the test numbers entered there only.",
        "Add this number to the test numbers of the account, or top it up.",
    ),
    AdviceRow(
        ReasonCode.OUT_OF_CREDIT, "The account has no credit left.", "Top it up; messages wait until a test passes."
    ),
    AdviceRow(
        ReasonCode.ACCOUNT_SUSPENDED,
        "The account is suspended.",
        "Ask the service why; messages wait until it is lifted.",
    ),
    AdviceRow(ReasonCode.NUMBER_BARRED, "The recipient's number is barred.", "Test with another number."),
    AdviceRow(
        ReasonCode.NUMBER_INVALID,
        "The service can't send to this number.",
        "Check the number and its country code; test with another one.",
    ),
    AdviceRow(
        ReasonCode.THROTTLED,
        "The service takes no more at the moment.",
        "Wait, or lower the rate limit: another system may use the same key.",
    ),
    AdviceRow(
        _CONFIGURATION,
        "What answers there sends requests elsewhere.",
        "Redirects are not followed: enter the address it leads to as the base URL, or switch HTTPS on.",
        words="^it redirects",
    ),
    AdviceRow(
        _CONFIGURATION,
        "There is no SMS service at this address.",
        "Check the base URL; leave it empty to use the service itself.",
        words="^(not found|gone|method not allowed|not implemented)",
    ),
    AdviceRow(
        _CONFIGURATION,
        "The account is not enabled for the SMS API.",
        "Have it enabled by the service.",
        words="http|rest|enabled|allowed",
    ),
    AdviceRow(
        _CONFIGURATION,
        "The service does not take the address for receipts.",
        "Check the console's address (XMNOTIFY_CONSOLE_URL).",
        words="callback",
    ),
    AdviceRow(
        _CONFIGURATION,
        "The service does not take such requests.",
        "Its words say why; check key, secret and signature.",
    ),
    AdviceRow(
        ReasonCode.PROTOCOL_ERROR,
        "What answers there is not the SMS service.",
        "Check the base URL; a log-in page of the network or a proxy may also be between.",
    ),
    AdviceRow(
        ReasonCode.POLICY, "Something between refuses the request.", "Check the firewall and proxies of this network."
    ),
    AdviceRow(ReasonCode.SERVICE_UNAVAILABLE, "The service is not available.", "Try again later."),
    AdviceRow(ReasonCode.TEMPORARY, "The service has a fault of its own.", "Try again later."),
    AdviceRow(
        ReasonCode.TIMEOUT,
        "The service did not answer in time.",
        "Raise the timeout, or look at what stands between; a message handed over may arrive all the same.",
    ),
    AdviceRow(
        ReasonCode.NO_ANSWER,
        "The service did not answer what stands between in time.",
        "Try again later; a message handed over may arrive all the same.",
    ),
    AdviceRow(
        ReasonCode.DISCONNECTED,
        "The connection was closed before an answer came.",
        "Check what stands between; a message handed over may arrive all the same.",
    ),
)

_OTHERWISE = Advice("The service did not take the message.", "Its words say more.")


def advise(reason: Reason) -> Advice:
    """Cause and hint for `reason`."""
    return look_up(_ROWS, reason, otherwise=_OTHERWISE)


def wrong_clock(ahead: timedelta) -> Advice:
    """For a refused signature while the service's clock is ahead of this machine's, or behind."""
    minutes = round(abs(ahead) / timedelta(minutes=1))
    side = "behind" if ahead > timedelta() else "ahead of"
    return Advice(
        f"This machine's clock is {minutes} minutes {side} the service's, so its signatures are refused.",
        "Let the clock be set by a time server.",
    )
