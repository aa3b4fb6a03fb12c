"""What a failed test of an SMTP server means in plain words, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection

from transports.marks import gettext_noop as _
from transports.smtp.config import Mechanism
from transports.stages import Advice, AdviceRow, look_up
from transports.types import Reason, ReasonCode

_CERTIFICATE = ReasonCode.CERTIFICATE_INVALID
_TLS = ReasonCode.TLS_FAILED
_WRONG_ORDER = (
    r"bad sequence|out of (?:sequence|order)|(?:ehlo|helo|hello|mail|rcpt)\b.{0,20}(?:first|required)|need mail"
)

# The words are OpenSSL's (X509_verify_cert_error_string, ERR_reason_error_string).
_ROWS: tuple[AdviceRow, ...] = (
    AdviceRow(
        ReasonCode.NAME_NOT_RESOLVED,
        _("The server's name could not be resolved."),
        _("Check how the name is written and which name server this machine asks; an IP address can be given instead."),
    ),
    AdviceRow(
        ReasonCode.CONNECTION_REFUSED,
        _("Nothing listens on this port."),
        _("Check the port: 25 for a relay, 587 for sign-in with TLS, 465 for SSL."),
    ),
    AdviceRow(
        ReasonCode.CONNECT_TIMEOUT,
        _("The server did not answer: a firewall drops the connection, or the address is wrong."),
        _("Open the way to this port; many networks block port 25, and 587 or 465 may be open instead."),
    ),
    AdviceRow(
        ReasonCode.NO_ROUTE, _("There is no route to the server."), _("Check the address and this machine's network.")
    ),
    AdviceRow(
        ReasonCode.ADDRESS_NOT_ALLOWED,
        _("This address or port is not allowed for outgoing connections."),
        _("Use a mail port of a mail server, or have the operator allow this network or port."),
    ),
    AdviceRow(_CERTIFICATE, _("The certificate has expired."), _("Renew it on the server."), words="has expired"),
    AdviceRow(
        _CERTIFICATE,
        _("The certificate is not valid yet."),
        _("Check the clocks of both machines."),
        words="not yet valid",
    ),
    AdviceRow(
        _CERTIFICATE,
        _("The certificate was issued for another name."),
        _("Enter the name that stands in the certificate as the server, or have the certificate issued for this name."),
        words="mismatch",
    ),
    AdviceRow(
        _CERTIFICATE,
        _("The certificate is self-signed."),
        _("Paste the certificate, or that of your own authority, into CA certificates, under Advanced Settings."),
        words="self[- ]signed",
    ),
    AdviceRow(
        _CERTIFICATE,
        _("The certificate was issued by an authority that is not trusted here."),
        _("Paste the authority's certificate into CA certificates, or have the server send its intermediate ones."),
    ),
    AdviceRow(
        _TLS,
        _("The server speaks plain text on this port."),
        _("Choose TLS (STARTTLS) instead of SSL, or the server's SSL port, usually 465."),
        words="wrong version number|record layer failure|packet length",
    ),
    AdviceRow(
        _TLS,
        _("The server and this machine share no TLS version; the server's are older than the minimum."),
        _("Bring the server up to date, or lower the minimum TLS version if it is above 1.2."),
        words="protocol version|unsupported protocol|no protocols available",
    ),
    AdviceRow(
        _TLS,
        _("The CA certificates hold none."),
        _("Paste it as PEM text, with its BEGIN and END lines."),
        words="cadata|no start line|bad end line|bad base64|not enough data",
    ),
    AdviceRow(_TLS, _("TLS could not be set up."), _("Check which TLS settings the server wants; its log tells more.")),
    AdviceRow(
        ReasonCode.STARTTLS_MISSING,
        _("The server does not offer STARTTLS."),
        _("Use its port for sign-in, usually 587, or SSL on 465. A firewall between may also take the offer away."),
    ),
    *(
        AdviceRow(
            code,
            _("The server refuses this machine, which greets it with an address instead of a name."),
            _("Have the operator set XMNOTIFY_EHLO_NAME to a full name that leads to this machine's address."),
            words=r"\(greeted with \[",
        )
        for code in (ReasonCode.GREETING_REFUSED, ReasonCode.SERVICE_UNAVAILABLE, ReasonCode.THROTTLED)
    ),
    AdviceRow(
        ReasonCode.GREETING_REFUSED,
        _("The server does not take the name that this machine greets with."),
        _("Have the operator set XMNOTIFY_EHLO_NAME to a full name that leads to this machine's address."),
        words=r"helo|\(greeted with",
    ),
    AdviceRow(
        ReasonCode.GREETING_REFUSED,
        _("The server refuses this machine, whose address leads to no name (PTR record)."),
        _("Have a PTR record made for this machine's address, or use a relay that knows it."),
        words=r"\bptr\b|reverse dns|rdns|resource record|cannot find your",
    ),
    AdviceRow(
        ReasonCode.GREETING_REFUSED,
        _("The server refuses to talk to this machine."),
        _("Have this machine's address allowed there, or use a relay that knows it."),
    ),
    AdviceRow(
        ReasonCode.AUTH_NOT_OFFERED,
        _("The server offers X-EXPS only, by which Exchange servers sign in among themselves."),
        _("Have Basic authentication switched on for its receive connector, or use its port for clients, usually 587."),
        words="offers X-EXPS$",
    ),
    AdviceRow(
        ReasonCode.AUTH_NOT_OFFERED,
        _("The server does not offer NTLM, by which SPA signs in."),
        _("Switch Microsoft Secure Password Authentication (SPA) off; the other ways need no switch."),
        words="^wanted NTLM,",
    ),
    AdviceRow(
        ReasonCode.AUTH_NOT_OFFERED,
        _("The server does not offer a way to sign in that fits."),
        _("Many servers offer it only over TLS or on port 587; a relay on port 25 may want no sign-in at all."),
    ),
    AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        _("The token endpoint gives this application no token for this scope."),
        _(
            "Google: enter the service account's ID and the scope https://mail.google.com/ under domain-wide "
            "delegation. Microsoft 365: grant SMTP.SendAsApp, with the consent of an administrator."
        ),
        words="^token endpoint: unauthorized_client",
    ),
    AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        _("The token endpoint refused the client ID or the client secret."),
        _("Type both again; a client secret may have run out."),
        words="^token endpoint",
    ),
    AdviceRow(
        ReasonCode.CONFIGURATION,
        _("The token endpoint does not take what the key file signed."),
        _(
            "Client ID has to be the service account's mail address, User name a mailbox of the domain, and the clock "
            "of this machine has to be right."
        ),
        words="^token endpoint: invalid_grant",
    ),
    AdviceRow(
        ReasonCode.CONFIGURATION,
        _("The token endpoint does not take the request."),
        _("Check its address and the scope; for Microsoft 365 it is https://outlook.office365.com/.default."),
        words="^token endpoint",
    ),
    AdviceRow(
        ReasonCode.AUTH_TEMPORARY,
        _("The token endpoint could not be reached, or gave no token."),
        _("Check its address, and whether this machine may connect to it."),
        words="^token endpoint",
    ),
    AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        _("The server refused the user name or password."),
        _("Type both again. Accounts with a second factor need an app password."),
    ),
    AdviceRow(
        ReasonCode.BASIC_AUTH_DISABLED,
        _("Signing in with a password is switched off for this account or organisation."),
        _("Microsoft 365: use XOAUTH2, or allow authenticated SMTP for the mailbox and the tenant."),
    ),
    AdviceRow(
        ReasonCode.AUTH_TEMPORARY,
        _("The server can't check passwords at the moment."),
        _("Try again later; its directory may be down."),
    ),
    AdviceRow(
        ReasonCode.AUTH_REQUIRED,
        _("The server wants a sign-in before it takes mail."),
        _("Switch Authentication on and enter a user name and password."),
    ),
    AdviceRow(
        ReasonCode.ENCRYPTION_REQUIRED,
        _("The server wants TLS first."),
        _("Choose TLS (STARTTLS) on port 587 or SSL on port 465."),
    ),
    AdviceRow(
        ReasonCode.SENDER_REFUSED,
        _("The server does not let this account send as the From email."),
        _("Enter an address of the account that signs in as From email, or have it verified or Send As granted there."),
    ),
    AdviceRow(
        ReasonCode.RELAY_DENIED,
        _("The server does not pass mail on to this recipient."),
        _("Sign in, or have this machine's address allowed to relay; without it only its own domains are taken."),
    ),
    AdviceRow(
        ReasonCode.GREYLISTED,
        _("The server puts off mail of unknown senders (greylisting)."),
        _("Nothing is wrong: real messages are tried again and then pass. Test again in some minutes."),
    ),
    AdviceRow(
        ReasonCode.THROTTLED,
        _("The server limits how much it takes."),
        _("Wait, or lower Rate limit and Parallel connections, under Advanced Settings."),
    ),
    AdviceRow(ReasonCode.ADDRESS_UNKNOWN, _("The recipient does not exist."), _("Test with another address.")),
    AdviceRow(
        ReasonCode.ADDRESS_INVALID, _("The server does not take this address."), _("Check how the address is written.")
    ),
    AdviceRow(ReasonCode.MAILBOX_FULL, _("The recipient's mailbox is full."), _("Test with another address.")),
    AdviceRow(ReasonCode.MAILBOX_BUSY, _("The recipient's mailbox is in use."), _("Test again in a minute.")),
    AdviceRow(
        ReasonCode.MAILBOX_DISABLED, _("The recipient's mailbox takes no mail."), _("Test with another address.")
    ),
    AdviceRow(
        ReasonCode.MESSAGE_TOO_BIG,
        _("The message is larger than the server takes."),
        _("Raise the server's message size limit."),
    ),
    AdviceRow(
        ReasonCode.SMTPUTF8_MISSING,
        _("The server can't handle addresses with letters outside ASCII."),
        _("Use an address in ASCII, or a server that offers SMTPUTF8."),
    ),
    AdviceRow(
        ReasonCode.POLICY,
        _("A rule of the server refuses this mail."),
        _("Its reply says which; SPF, DKIM and block lists are the usual ones."),
    ),
    AdviceRow(
        ReasonCode.CONTENT_REFUSED,
        _("The server takes the mail for spam or harmful."),
        _("Have the From email allowed in its filter."),
    ),
    AdviceRow(
        ReasonCode.ACCOUNT_SUSPENDED,
        _("The account is blocked from sending."),
        _("Have it unblocked by who runs the server."),
    ),
    AdviceRow(
        ReasonCode.OUT_OF_CREDIT, _("The account has no credit left."), _("Have it topped up with the provider.")
    ),
    AdviceRow(
        ReasonCode.STORAGE_FULL, _("The server has no room for mail."), _("Have its disk cleared; try again later.")
    ),
    AdviceRow(
        ReasonCode.SERVICE_UNAVAILABLE,
        _("The server is going down or takes no mail at the moment."),
        _("Try again later."),
    ),
    AdviceRow(
        ReasonCode.TIMEOUT,
        _("The server did not answer in time. Some hold back their replies to unknown clients (tarpit)."),
        _("Raise the SMTP timeout, or have this machine's address allowed there."),
    ),
    AdviceRow(
        ReasonCode.ANSWERS_LOST,
        _("The server takes mail, but no answer is heard: its answers come later than SMTP Timeout, or never."),
        _(
            "Raise SMTP Timeout, under Advanced Settings; 60 seconds are usual. A server that drops the connection "
            "instead of answering has its own fault: its log tells more."
        ),
    ),
    AdviceRow(
        ReasonCode.REFUSED_ALIKE,
        _("The server refuses one message after the other with the same words."),
        _("What they name applies to every message: the sender, the account, this machine's address or a rule."),
    ),
    AdviceRow(
        ReasonCode.DISCONNECTED,
        _("The server closed the connection."),
        _("Its log tells why; a firewall or a limit on connections is the usual reason."),
    ),
    AdviceRow(
        ReasonCode.PROTOCOL_ERROR,
        _("The server says that commands come in the wrong order: it has not heard the greeting or a command before."),
        _("A firewall or proxy that rewrites SMTP is the usual reason; switch that off, or switch Pipelining off."),
        words=_WRONG_ORDER,
    ),
    AdviceRow(
        ReasonCode.PROTOCOL_ERROR,
        _("What answers there does not keep to SMTP."),
        _("Check server name and port; a firewall that rewrites SMTP may also be between."),
    ),
)

# What a refused sign-in means by the mechanism that was chosen for it.
_REFUSED = {
    Mechanism.XOAUTH2: AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        _("The server refused the access token."),
        _(
            "The user name must be the mailbox, and the application must be allowed to send as it. Microsoft 365: the "
            "permission SMTP.SendAsApp, and a service principal in Exchange Online with rights on the mailbox."
        ),
        words="^(?!token endpoint)",
    ),
    Mechanism.NTLM: AdviceRow(
        ReasonCode.CREDENTIALS_REFUSED,
        _("The server refused the user name or password."),
        _(
            "Type both again; the user name may need DOMAIN\\user. Some servers take only NTLM version 1, which can "
            "be allowed under Advanced Settings."
        ),
    ),
}
_BESIDE_NTLM = AdviceRow(
    ReasonCode.CREDENTIALS_REFUSED,
    _("The server refused the user name or password."),
    _(
        "Type both again. Accounts with a second factor need an app password; as the server offers NTLM, the user name "
        "may need DOMAIN\\user."
    ),
    words="^(?!token endpoint)",
)

TLS_PORT = Advice(
    _("The server waits for TLS: this port speaks SSL from the first byte."),
    _("Choose SSL instead of None or TLS, or another port, usually 587."),
)
_OTHERWISE = Advice(_("The server did not take the mail."), _("Its reply says more."))


def advise(reason: Reason, *, mechanism: Mechanism | None = None, offered: Collection[str] = ()) -> Advice:
    """Cause and hint for `reason`, when `mechanism` was chosen to sign in with of those that the server `offered`."""
    own = _REFUSED.get(mechanism) if mechanism else None
    if own is None and Mechanism.NTLM in offered:
        own = _BESIDE_NTLM
    return look_up((own, *_ROWS) if own else _ROWS, reason, otherwise=_OTHERWISE)
