"""Who may call: API keys and signed webhooks."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from devices.models import Group
from foundation.secrets import SecretField
from foundation.sql.ids import new_uid

DEFAULT_RATE, MOST_RATE = 1_000, 1_000_000
DEFAULT_BURST, MOST_BURST = 50_000, 10_000_000


class ApiKey(models.Model):
    """`xmn_<lookup>_<secret>`: only the look-up part and an HMAC digest of the whole are stored.

    `tokens` were there at `tokens_at` (None: it was never used) for further events: see `api.access.rate`.
    """

    name = models.CharField(_("name"), max_length=255, unique=True)
    lookup = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    by_command = models.BooleanField(
        _("made by a command"), default=False, editable=False, help_text=_("It needs no maker who may do what it does.")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    rate_limit = models.PositiveIntegerField(
        _("Rate limit"),
        default=DEFAULT_RATE,
        validators=[MaxValueValidator(MOST_RATE)],
        help_text=_("Events a second in the long run; 0 means no limit."),
    )
    burst = models.PositiveIntegerField(
        _("Burst"),
        default=DEFAULT_BURST,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_BURST)],
        help_text=_("Events that it may post at any rate after a pause."),
    )
    known_recipients_only = models.BooleanField(
        _("Known recipients only"),
        default=False,
        help_text=_("Further recipients of an event must be addresses of known users or devices."),
    )
    limited = models.BooleanField(
        _("Limited to groups"),
        default=False,
        help_text=_("It sees the users of these groups and their devices alone, and writes to no others."),
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="+", verbose_name=_("Groups"))
    tokens = models.BigIntegerField(default=DEFAULT_BURST, editable=False)
    tokens_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Webhook(models.Model):
    """A sender that signs by Standard Webhooks; two secrets live at once while one is being replaced."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=255, unique=True)
    secret = SecretField(_("Secret"))
    previous_secret = SecretField(_("Previous secret"))
    scopes = models.JSONField(_("scopes"), default=list)
    active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
