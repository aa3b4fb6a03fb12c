"""Why a delivery did not go through, as a sentence for people, by the stable code."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from transports.types import ReasonCode

_Code = ReasonCode
WORDS: dict[str, str | Promise] = {
    _Code.NAME_NOT_RESOLVED: _("The server's host name could not be resolved."),
    _Code.CONNECTION_REFUSED: _("The server refused the connection."),
    _Code.NO_ROUTE: _("There is no route to the server."),
    _Code.CONNECT_TIMEOUT: _("The server did not answer the connection in time."),
    _Code.ADDRESS_NOT_ALLOWED: _("The operator does not allow connections to this server."),
    _Code.TLS_FAILED: _("The encrypted connection could not be made."),
    _Code.CERTIFICATE_INVALID: _("The server's certificate is not valid."),
    _Code.STARTTLS_MISSING: _("The server does not offer the encryption that is required."),
    _Code.GREETING_REFUSED: _("The server refused to talk to us."),
    _Code.PROTOCOL_ERROR: _("The server's answer could not be understood."),
    _Code.DISCONNECTED: _("The server closed the connection."),
    _Code.TIMEOUT: _("The server did not answer in time."),
    _Code.SERVICE_UNAVAILABLE: _("The server was not available."),
    _Code.THROTTLED: _("The server asked us to slow down."),
    _Code.AUTH_NOT_OFFERED: _("The server offers no way to log in."),
    _Code.AUTH_TEMPORARY: _("The server could not check the log-in."),
    _Code.AUTH_REQUIRED: _("The server requires a log-in."),
    _Code.CREDENTIALS_REFUSED: _("The server refused the user name or password."),
    _Code.BASIC_AUTH_DISABLED: _("The server no longer accepts passwords."),
    _Code.ENCRYPTION_REQUIRED: _("The server requires encryption."),
    _Code.CONFIGURATION: _("The server's settings are not complete or do not fit."),
    _Code.ACCOUNT_SUSPENDED: _("The account is suspended."),
    _Code.OUT_OF_CREDIT: _("The account has no credit left."),
    _Code.SENDER_REFUSED: _("The server refused the sender."),
    _Code.RELAY_DENIED: _("The server does not send on to this address."),
    _Code.ADDRESS_INVALID: _("The address is not valid."),
    _Code.ADDRESS_UNKNOWN: _("The address does not exist."),
    _Code.MAILBOX_FULL: _("The mailbox is full."),
    _Code.MAILBOX_DISABLED: _("The mailbox is disabled."),
    _Code.MAILBOX_BUSY: _("The mailbox is busy."),
    _Code.GREYLISTED: _("The server asked us to come back later."),
    _Code.POLICY: _("The server refused it by its policy."),
    _Code.CONTENT_REFUSED: _("The server refused the content."),
    _Code.MESSAGE_TOO_BIG: _("The message is too big."),
    _Code.TOO_MANY_RECIPIENTS: _("The server takes fewer recipients at once."),
    _Code.SMTPUTF8_MISSING: _("The server does not take such an address."),
    _Code.STORAGE_FULL: _("The server has no space left."),
    _Code.TEMPORARY: _("The server could not take it for the moment."),
    _Code.PERMANENT: _("The server refused it."),
    _Code.NO_ANSWER: _("It was handed over, but no answer came: it may have arrived."),
    _Code.ANSWERS_LOST: _("The server's answers were lost, one after the other."),
    _Code.REFUSED_ALIKE: _("The server refused one message after the other with the same words."),
    _Code.NUMBER_INVALID: _("The phone number is not valid."),
    _Code.NUMBER_BARRED: _("The phone number is barred."),
    _Code.NUMBER_UNREACHABLE: _("The phone could not be reached."),
    _Code.VIRTUAL_NUMBER_MISSING: _("The gateway has no virtual phone number for this country."),
    _Code.VIRTUAL_NUMBER_NOT_OWNED: _("The gateway's virtual phone number does not belong to the account."),
    _Code.SIGNATURE_REFUSED: _("The gateway refused our signature."),
    _Code.DEMO_ACCOUNT: _("The gateway's account is a trial and sends to its own test numbers only."),
    _Code.PARTLY_SENT: _("Only some parts of the text were taken; trying again would send and bill those twice."),
    _Code.TOKEN_DEAD: _("The device no longer takes notifications."),
    _Code.TOKEN_REFUSED: _("The push service can't use this device's token: it is of another app or environment."),
    _Code.TEXT_TOO_LONG: _("The text is too long for this channel."),
    _Code.TEMPLATE_ERROR: _("The text could not be made from its template."),
    _Code.SECRET_WIPED: _("Its secret values are wiped already."),
    _Code.SECRET_UNREADABLE: _(
        "A secret that it needs can't be read: its key is missing from XMNOTIFY_FERNET_KEYS. Add the key and start the "
        "workers anew, then send it again."
    ),
    _Code.NO_ADDRESS: _("The recipient has no address."),
    _Code.NO_SIM: _("The recipient's devices have no SIM card."),
    _Code.DISABLED: _("The user is disabled."),
    _Code.NO_PUSH_TOKEN: _("No device is registered for notifications."),
    _Code.VALUE_MISSING: _("A value without which the message is pointless is missing."),
    _Code.SUPPRESSED: _("The address is on the list of those that get nothing."),
    _Code.NO_ACTIVE_SERVER: _("No server of its kind is active."),
    _Code.LEASE_LAPSED: _("The worker that was sending it was lost."),
    _Code.EXPIRED: _("It could not be sent in its time."),
    _Code.CANCELLED: _("It was cancelled."),
    _Code.INTERNAL_ERROR: _("Something in this system went wrong; its log has the details."),
}


def words(code: str) -> str | Promise:
    """The sentence of a code; the code itself where there is none."""
    return WORDS.get(code, code)
