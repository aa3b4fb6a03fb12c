"""What the form of an SMTP server is filled with for well-known mail providers, and what is to be done over there.

The facts, with their sources, stand in docs/mail-providers.md.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from servers.kind import Provider

_STARTTLS: dict[str, str | int | float | bool] = {"security": "tls", "port": 587, "authentication": True}

MICROSOFT_365 = Provider(
    "microsoft-365",
    "Microsoft 365",
    {
        **_STARTTLS,
        "host": "smtp.office365.com",
        "mechanism": "XOAUTH2",
        "oauth_token_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        "oauth_scope": "https://outlook.office365.com/.default",
        "connections": 3,
        "rate_limit": 0.5,
    },
    steps=(
        _(
            "Entra admin center, App registrations: register an application. Its client ID goes into Client ID, its "
            "tenant ID into Token endpoint, in the place of {tenant}."
        ),
        _(
            "API permissions of the application: add the application permission SMTP.SendAsApp of Office 365 Exchange "
            "Online, and grant admin consent."
        ),
        _("Certificates & secrets: make a client secret. Its value goes into Client secret; note when it runs out."),
        _(
            "Exchange Online PowerShell: New-ServicePrincipal for the application, Add-MailboxPermission with "
            "FullAccess on the mailbox, and Set-CASMailbox -SmtpClientAuthenticationDisabled $false for it. The "
            "mailbox is the User name."
        ),
    ),
    limits=_(
        "One mailbox may use 3 connections and send 30 messages a minute to 10,000 recipients a day: connections and "
        "rate limit are set to that."
    ),
)
GOOGLE = Provider(
    "google-workspace",
    "Google Workspace",
    {
        **_STARTTLS,
        "host": "smtp.gmail.com",
        "mechanism": "XOAUTH2",
        "oauth_token_url": "https://oauth2.googleapis.com/token",
        "oauth_scope": "https://mail.google.com/",
        "connections": 3,
        "rate_limit": 1,
    },
    steps=(
        _("Google Cloud console, Service accounts: make one; its mail address goes into Client ID."),
        _("Keys of the service account: make a JSON key; the whole text of its file goes into Client secret."),
        _(
            "Google Admin console, Security, API controls, Domain-wide delegation: add the service account's numeric "
            "client ID with the scope https://mail.google.com/."
        ),
        _(
            "Choose the mailbox of your domain that mail is sent as: it is the User name, and the From email is its "
            "address or an alias of it."
        ),
    ),
    limits=_(
        "A mailbox may send 2,000 messages a day, each to 100 recipients by SMTP. Google names no limit by the second: "
        "3 connections and 1 message a second are ours."
    ),
)
# All of them offer STARTTLS on port 587, by their own pages on sending by SMTP.
PROVIDERS = (
    MICROSOFT_365,
    GOOGLE,
    Provider("amazon-ses", "Amazon SES", {**_STARTTLS, "host": "email-smtp.eu-west-1.amazonaws.com"}),
    Provider("mailgun", "Mailgun", {**_STARTTLS, "host": "smtp.mailgun.org"}),
    Provider("postmark", "Postmark", {**_STARTTLS, "host": "smtp.postmarkapp.com"}),
    Provider("sendgrid", "SendGrid", {**_STARTTLS, "host": "smtp.sendgrid.net"}),
    Provider("brevo", "Brevo", {**_STARTTLS, "host": "smtp-relay.brevo.com"}),
)
