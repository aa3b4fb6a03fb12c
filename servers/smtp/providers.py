"""The usual settings of well-known mail providers, offered above the form of an SMTP server."""

from __future__ import annotations

from msgspec import Struct


class Provider(Struct, frozen=True):
    """`fields` are what the form is filled with; user name and password are the customer's own."""

    name: str
    host: str

    @property
    def fields(self) -> dict[str, str | int | bool]:
        return {"host": self.host, "security": "tls", "port": 587, "authentication": True}


# From each provider's own page on sending by SMTP; all of them offer STARTTLS on port 587.
PROVIDERS = (
    Provider("Microsoft 365", "smtp.office365.com"),
    Provider("Google Workspace", "smtp.gmail.com"),
    Provider("Amazon SES", "email-smtp.eu-west-1.amazonaws.com"),
    Provider("Mailgun", "smtp.mailgun.org"),
    Provider("Postmark", "smtp.postmarkapp.com"),
    Provider("SendGrid", "smtp.sendgrid.net"),
    Provider("Brevo", "smtp-relay.brevo.com"),
)
