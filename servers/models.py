"""Servers, gateways and push services: fields, constraints, querysets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Self
from uuid import uuid4

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from foundation.secrets import SecretField, new_token
from servers.values import Experience, Limits, ServerKind, experience
from transports.stages import StageName

MOST_SIGN_INS = 20


class Server(models.Model):
    """One table holds the unique names, the series of ids and "one active a kind"; each kind is a child table.

    Its health (paused, stopped, rate, streaks, what was learned) is written by the flow alone, with guarded updates.
    """

    class Kind(models.TextChoices):
        SMTP = ServerKind.SMTP.value, _("SMTP")
        SMS = ServerKind.SMS.value, _("SMS")
        APNS = ServerKind.APNS.value, _("APNs")
        FCM = ServerKind.FCM.value, _("FCM")

    kind = models.CharField(_("type"), max_length=8, choices=Kind.choices, editable=False)
    name = models.CharField(_("name"), max_length=255, unique=True)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    active = models.BooleanField(_("active"), default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revision = models.PositiveIntegerField(default=1, editable=False, help_text=_("grows with every change"))
    carriers_revision = models.PositiveIntegerField(
        default=1, editable=False, help_text=_("grows with every change of a carrier gateway, of an SMS gateway only")
    )
    last_test_at = models.DateTimeField(_("last test"), null=True, blank=True, editable=False)
    last_test_passed = models.BooleanField(null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    pause_count = models.PositiveIntegerField(default=0, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    troubled_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("since when it is in trouble")
    )
    told_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("when administrators were told of the trouble")
    )
    trouble_code = models.CharField(max_length=40, blank=True, editable=False)
    trouble_detail = models.TextField(blank=True, editable=False)
    rate_free_at = models.DateTimeField(null=True, blank=True, editable=False)
    sign_ins_after_refusal = models.PositiveSmallIntegerField(
        _("Sign-ins after a refusal"), default=2, validators=[MaxValueValidator(MOST_SIGN_INS)]
    )
    recovered_at = models.DateTimeField(null=True, blank=True, editable=False, help_text=_("when the last pause ended"))
    sign_ins_refused = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text=_("sign-ins that were refused in a row")
    )
    unanswered = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("messages in a row that were handed over without an answer")
    )
    unanswered_at = models.DateTimeField(null=True, blank=True, editable=False)
    refusals = models.JSONField(
        null=True, blank=True, editable=False, help_text=_("refusals alike since a message was last accepted")
    )
    session_limit = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text=_("messages it was seen to take on one connection")
    )
    session_limit_at = models.DateTimeField(null=True, blank=True, editable=False)
    session_limit_reply = models.TextField(blank=True, editable=False)
    unpipelined_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("when its pipelining was seen to be broken")
    )
    unpipelined_reply = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(active=True),
                name="one_active_server_a_kind",
                violation_error_message=_("Another server of this type is active."),
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in ServerKind]),
                name="server_kind_known",
                violation_error_message=_("This type of server is not known."),
            ),
        ]

    kinds: ClassVar[tuple[ServerKind, ...]] = ()
    """The kinds whose servers are rows of this table."""
    bound_secrets: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """By secret, the fields that say where and how it is sent."""
    loaded: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        """As Django does, and remember the values as `loaded`: a validator has to know what was changed."""
        found = super().from_db(db, field_names, values, **options)
        found.loaded = dict(zip(field_names, values, strict=True))
        return found

    def experience(self, now: datetime) -> Experience:
        """What it was seen to do, as far as that still holds."""
        return experience(
            session_limit=self.session_limit,
            session_limit_at=self.session_limit_at,
            unpipelined_at=self.unpipelined_at,
            now=now,
        )

    @property
    def signs_in(self) -> bool:
        """Whether each connection begins with a sign-in."""
        return False

    def uses_secret(self, name: str) -> bool:
        """Whether this secret goes out with the settings as they are."""
        return True

    def limits(self) -> Limits:
        raise NotImplementedError


_WAY_OF_MAIL = (
    "host",
    "port",
    "security",
    "verify_certificate",
    "ca_bundle",
    "tls_minimum",
    "mechanism",
    "spa",
    "ntlm_v1",
)


class SmtpServer(Server):
    kinds = (ServerKind.SMTP,)
    bound_secrets = {
        "password": _WAY_OF_MAIL,
        "oauth_client_secret": (*_WAY_OF_MAIL, "oauth_token_url", "oauth_client_id", "oauth_scope"),
    }

    class Security(models.TextChoices):
        NONE = "none", _("None")
        SSL = "ssl", "SSL"
        TLS = "tls", "TLS"

    class Mechanism(models.TextChoices):
        AUTOMATIC = "AUTO", _("Automatic")
        PLAIN = "PLAIN", "PLAIN"
        LOGIN = "LOGIN", "LOGIN"
        CRAM_MD5 = "CRAM-MD5", "CRAM-MD5"
        XOAUTH2 = "XOAUTH2", "XOAUTH2"

    class Pipelining(models.TextChoices):
        AUTOMATIC = "auto", _("Automatic")
        OFF = "off", _("OFF")

    class TlsMinimum(models.TextChoices):
        TLS_1_2 = "1.2", "TLS 1.2"
        TLS_1_3 = "1.3", "TLS 1.3"

    host = models.CharField(_("SMTP Server"), max_length=253)
    security = models.CharField(
        _("Secure channel protocol"), max_length=4, choices=Security.choices, default=Security.NONE
    )
    port = models.PositiveIntegerField(
        _("SMTP server port"), default=25, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    authentication = models.BooleanField(_("Authentication"), default=False)
    username = models.CharField(_("User name"), max_length=255, blank=True)
    password = SecretField(_("Password"))
    unencrypted_accepted = models.BooleanField(_("Send the password unencrypted"), default=False)
    spa = models.BooleanField(_("Microsoft Secure Password Authentication (SPA)"), default=False)
    ntlm_v1 = models.BooleanField(_("Allow NTLM version 1"), default=False)
    from_name = models.CharField(_("From Name"), max_length=255, blank=True)
    from_email = models.CharField(_("From email"), max_length=320)
    retries = models.PositiveIntegerField(_("Number of SMTP retries"), default=5, validators=[MaxValueValidator(100)])
    timeout = models.PositiveIntegerField(
        _("SMTP Timeout"), default=30, validators=[MinValueValidator(1), MaxValueValidator(600)], help_text=_("seconds")
    )
    max_recipients = models.PositiveIntegerField(
        _("Maximum number of SMTP recipients"),
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
    )
    ca_bundle = models.TextField(_("CA certificates"), blank=True, help_text=_("PEM"))
    tls_minimum = models.CharField(
        _("Minimum TLS version"), max_length=3, choices=TlsMinimum.choices, default=TlsMinimum.TLS_1_2
    )
    verify_certificate = models.BooleanField(_("Verify the certificate"), default=True)
    mechanism = models.CharField(
        _("SASL mechanism"), max_length=8, choices=Mechanism.choices, default=Mechanism.AUTOMATIC
    )
    oauth_token_url = models.URLField(_("Token endpoint"), blank=True)
    oauth_client_id = models.CharField(_("Client ID"), max_length=255, blank=True)
    oauth_client_secret = SecretField(_("Client secret"))
    oauth_scope = models.CharField(_("Scope"), max_length=255, blank=True)
    envelope_sender = models.CharField(_("Envelope sender"), max_length=320, blank=True)
    messages_per_connection = models.PositiveIntegerField(
        _("Messages per connection"), default=1000, validators=[MinValueValidator(1), MaxValueValidator(1_000_000)]
    )
    pipelining = models.CharField(
        _("Pipelining"), max_length=4, choices=Pipelining.choices, default=Pipelining.AUTOMATIC
    )
    connections = models.PositiveIntegerField(
        _("Parallel connections"), default=4, validators=[MinValueValidator(1), MaxValueValidator(128)]
    )
    rate_limit = models.FloatField(
        _("Rate limit"),
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100_000)],
        help_text=_("messages per second; 0 is none"),
    )

    class Meta:
        verbose_name = _("SMTP server")
        verbose_name_plural = _("SMTP servers")

    @property
    def signs_in(self) -> bool:
        """See `Server`."""
        return self.authentication

    def uses_secret(self, name: str) -> bool:
        """See `Server`."""
        oauth = self.mechanism == self.Mechanism.XOAUTH2
        return bool(self.authentication) and name == ("oauth_client_secret" if oauth else "password")

    def limits(self) -> Limits:
        return Limits(
            timeout=timedelta(seconds=self.timeout),
            max_attempts=self.retries + 1,
            max_recipients=self.max_recipients,
            lanes=self.connections,
            rate=self.rate_limit or None,
        )


class SmsGateway(Server):
    kinds = (ServerKind.SMS,)
    bound_secrets = {"secret": ("base_url", "https"), "signature_secret": ("base_url", "https")}

    class SignatureMethod(models.TextChoices):
        NONE = "", _("None")
        SHA256 = "sha256", "SHA-256 HMAC"
        SHA512 = "sha512", "SHA-512 HMAC"

    key = models.CharField(_("Key"), max_length=64)
    secret = SecretField(_("Secret"))
    virtual_number = models.CharField(
        _("Virtual Phone Number"), max_length=15, blank=True, validators=[RegexValidator(r"\A[0-9]*\Z")]
    )
    sender_name = models.CharField(
        _("Sender name"),
        max_length=11,
        default="xmnotify",
        blank=True,
        validators=[RegexValidator(r"\A[A-Za-z0-9]*\Z")],
    )
    https = models.BooleanField("HTTPS", default=False)
    unencrypted_accepted = models.BooleanField(_("Send the key and secret unencrypted"), default=False)
    country = models.CharField(_("Country Code"), max_length=2, default="AF")
    use_carrier_gateways = models.BooleanField(_("Use carrier gateways"), default=False)
    base_url = models.URLField(_("Base URL"), blank=True)
    retries = models.PositiveIntegerField(_("Number of retries"), default=5, validators=[MaxValueValidator(100)])
    timeout = models.PositiveIntegerField(
        _("Timeout"), default=30, validators=[MinValueValidator(1), MaxValueValidator(600)], help_text=_("seconds")
    )
    connections = models.PositiveIntegerField(
        _("Parallel connections"), default=4, validators=[MinValueValidator(1), MaxValueValidator(128)]
    )
    rate_limit = models.FloatField(
        _("Rate limit"),
        default=30,
        validators=[MinValueValidator(0), MaxValueValidator(100_000)],
        help_text=_("requests per second; 0 is none"),
    )
    signature_secret = SecretField(_("Signature secret"))
    signature_method = models.CharField(
        _("Signature method"), max_length=6, choices=SignatureMethod.choices, blank=True, default=SignatureMethod.NONE
    )
    receipt_token = SecretField(_("Receipt address"), editable=False, default=new_token)

    class Meta:
        verbose_name = _("SMS gateway")
        verbose_name_plural = _("SMS gateways")

    def uses_secret(self, name: str) -> bool:
        """See `Server`."""
        return not name.startswith("signature") or bool(self.signature_method)

    def limits(self) -> Limits:
        return Limits(
            timeout=timedelta(seconds=self.timeout),
            max_attempts=self.retries + 1,
            lanes=self.connections,
            rate=self.rate_limit or None,
        )


class PushService(Server):
    """APNs (key id, team id, key file or certificate, topic, environment) or FCM (service account file)."""

    kinds = (ServerKind.APNS, ServerKind.FCM)
    bound_secrets = dict.fromkeys(("key_file", "certificate", "service_account"), ("base_url", "ca_bundle"))

    class Environment(models.TextChoices):
        PRODUCTION = "production", _("Production")
        SANDBOX = "sandbox", _("Sandbox")

    key_id = models.CharField(_("Key ID"), max_length=10, blank=True)
    team_id = models.CharField(_("Team ID"), max_length=10, blank=True)
    key_file = SecretField(_("Key file"))
    certificate = SecretField(_("Certificate and key"))
    certificate_expires_at = models.DateTimeField(null=True, blank=True)
    topic = models.CharField(_("Topic"), max_length=255, blank=True)
    environment = models.CharField(
        _("Environment"), max_length=10, choices=Environment.choices, default=Environment.PRODUCTION
    )
    service_account = SecretField(_("Service account file"))
    project = models.CharField(_("Project"), max_length=255, blank=True)
    base_url = models.URLField(_("Base URL"), blank=True)
    ca_bundle = models.TextField(_("CA certificates"), blank=True)
    retries = models.PositiveIntegerField(_("Number of retries"), default=5, validators=[MaxValueValidator(100)])
    timeout = models.PositiveIntegerField(
        _("Timeout"), default=30, validators=[MinValueValidator(1), MaxValueValidator(600)], help_text=_("seconds")
    )
    connections = models.PositiveIntegerField(
        _("Parallel connections"), default=4, validators=[MinValueValidator(1), MaxValueValidator(128)]
    )

    class Meta:
        verbose_name = _("push service")
        verbose_name_plural = _("push services")

    def uses_secret(self, name: str) -> bool:
        if self.kind == ServerKind.FCM:
            return name == "service_account"
        return name == "key_file" or (name == "certificate" and not self.key_file)

    def limits(self) -> Limits:
        return Limits(timeout=timedelta(seconds=self.timeout), max_attempts=self.retries + 1, lanes=self.connections)


class CarrierGateway(models.Model):
    """A carrier's mail-to-SMS domain. No server of its own: its SMS goes out through the active SMTP server."""

    class NumberFormat(models.TextChoices):
        NATIONAL = "national", _("National number")
        COUNTRY_CODE = "country_code", _("With country code")
        PLUS = "plus", _("With + and country code")

    carrier = models.CharField(_("Carrier"), max_length=255)
    carrier_key = models.CharField(max_length=255, editable=False, help_text=_("the name as it is compared"))
    domain = models.CharField(_("Gateway SMTP domain"), max_length=253)
    country = models.CharField(_("Country code"), max_length=2)
    prefix = models.CharField(_("Email sending prefix"), max_length=64, blank=True)
    number_format = models.CharField(
        _("Number"), max_length=12, choices=NumberFormat.choices, default=NumberFormat.NATIONAL
    )
    revision = models.PositiveIntegerField(default=1, editable=False, help_text=_("grows with every change"))

    class Meta:
        verbose_name = _("carrier SMS gateway")
        verbose_name_plural = _("carrier SMS gateways")
        ordering = ["carrier"]
        constraints = [
            models.UniqueConstraint(
                fields=["carrier_key", "country"],
                name="one_gateway_a_carrier_and_country",
                violation_error_message=_("This carrier already has a gateway in this country."),
            )
        ]

    def __str__(self) -> str:
        return self.carrier


class ServerTest(models.Model):
    """One run of Test Configuration; its stages are written as they end. Unfinished after `ends_by`, it was lost.

    `fingerprint` is that of the settings, which need not be stored ones; `reading` says how `to` was read.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    server = models.ForeignKey(Server, on_delete=models.SET_NULL, null=True, related_name="tests")
    actor = models.CharField(max_length=64, help_text=_("who asked for it, as tests are counted"))
    to = models.CharField(_("recipient"), max_length=320)
    reading = models.TextField(blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    ends_by = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    passed = models.BooleanField(null=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["actor", "started_at"], name="server_test_actor")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.to}"


class ServerTestStage(models.Model):
    """How one stage of a test went. `detail` is what was found, `cause`, `hint` and `code` explain a failure."""

    class Name(models.TextChoices):
        RESOLVE = StageName.RESOLVE.value, _("Resolve name")
        CONNECT = StageName.CONNECT.value, _("Connect")
        BANNER = StageName.BANNER.value, _("Banner")
        EHLO = StageName.EHLO.value, "EHLO"
        TLS = StageName.TLS.value, "TLS"
        AUTHENTICATE = StageName.AUTHENTICATE.value, _("Authenticate")
        SENDER = StageName.SENDER.value, _("Sender")
        RECIPIENT = StageName.RECIPIENT.value, _("Recipient")
        DATA = StageName.DATA.value, _("Data")
        CREDENTIALS = StageName.CREDENTIALS.value, _("Credentials")
        NUMBER = StageName.NUMBER.value, _("Virtual number")
        ACCEPTED = StageName.ACCEPTED.value, _("Accepted")
        HTTP2 = StageName.HTTP2.value, "HTTP/2"
        KEY_FILE = StageName.KEY_FILE.value, _("Key file read")
        TOKEN = StageName.TOKEN.value, _("Access token")
        KEY = StageName.KEY.value, _("Key accepted")
        TOPIC = StageName.TOPIC.value, _("Topic")
        VALIDATE_ONLY = StageName.VALIDATE_ONLY.value, _("Message checked")

    test = models.ForeignKey(ServerTest, on_delete=models.CASCADE, related_name="stages", db_index=False)
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=16, choices=Name.choices)
    ok = models.BooleanField()
    duration_ms = models.PositiveIntegerField()
    detail = models.TextField(blank=True)
    cause = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["test", "number"]
        constraints = [models.UniqueConstraint(fields=["test", "number"], name="one_stage_a_test_and_number")]

    def __str__(self) -> str:
        return f"{self.number}. {self.name}"


class AccessToken(models.Model):
    """A token that all workers share (OAuth, APNs, FCM), so that each is fetched once."""

    key = models.CharField(max_length=255, primary_key=True)
    value = SecretField()
    expires_at = models.DateTimeField()
    refreshing_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.key
