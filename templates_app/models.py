"""Notification templates, their versions, and the text per channel and language."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from foundation.sql.ids import new_uid
from templates_app.channels import TRAITS


class TemplateQuerySet(models.QuerySet["NotificationTemplate"]):
    def kept(self) -> TemplateQuerySet:
        """Those that are not deleted."""
        return self.filter(deleted_at=None)


class NotificationTemplate(models.Model):
    """What is sent for one type of event. The text is in its current version; older versions stay.

    A deleted one stays as a row for the deliveries made from it; its name is free again.
    """

    class OnUnknown(models.TextChoices):
        SEND_AGAIN = "send_again", _("Send again")
        HOLD = "hold", _("Hold for a person")

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=255)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    type = models.CharField(_("type"), max_length=64)
    predefined = models.BooleanField(_("predefined"), default=False, editable=False)
    current = models.ForeignKey(
        "TemplateVersion", on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    on_unknown = models.CharField(
        _("when the outcome is unknown"), max_length=10, choices=OnUnknown.choices, default=OnUnknown.SEND_AGAIN
    )
    lifetime = models.DurationField(
        _("expires after"), default=timedelta(days=3), help_text=_("how long a delivery is tried at most")
    )

    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    resumed = models.CharField(
        _("resumed channels"),
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text=_("by which an update began to send it, until somebody has read so on Health"),
    )

    objects = TemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification template")
        verbose_name_plural = _("notification templates")
        ordering = ["name"]
        indexes = [models.Index(fields=["type"], name="template_type")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(deleted_at=None),
                name="template_name_unique",
                violation_error_message=_("A template with this name exists already."),
            ),
            models.UniqueConstraint(
                fields=["type"],
                condition=Q(predefined=True),
                name="one_predefined_template_a_type",
                violation_error_message=_("This type has its predefined template already."),
            ),
            models.CheckConstraint(
                condition=Q(predefined=True) | ~Q(type="system.apns_certificate_expiring"),
                name="only_one_apns_template",
                violation_error_message=_(
                    "Only one APNS Cert Expiration template is allowed, and it is predefined; choose another type."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """One saved state of a template; never changed afterwards, so it can be cached for ever by its id.

    `saved_by` is the name of the administrator or API key, as the audit trail has it; empty for the predefined text.
    """

    template = models.ForeignKey(NotificationTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    saved_by = models.CharField(max_length=255, blank=True, default="")
    note = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="version_number_unique")]

    def __str__(self) -> str:
        return f"{self.template_id} v{self.number}"


class TemplateChannel(models.Model):
    """How one version uses one channel."""

    version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="channels")
    kind = models.CharField(
        _("channel"), max_length=10, choices=[(kind.value, traits.name) for kind, traits in TRAITS.items()]
    )
    active = models.BooleanField(_("Activate"), default=False)
    sender = models.CharField(_("Sender"), max_length=500, blank=True)
    recipient = models.TextField(_("Recipient"), blank=True)
    sound = models.CharField(_("Sound File"), max_length=32, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "kind"], name="channel_once_a_version")]

    def __str__(self) -> str:
        return self.kind


class TemplateText(models.Model):
    """Subject and message of a channel in one language; the empty language is the one everybody falls back to."""

    channel = models.ForeignKey(TemplateChannel, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(_("language"), max_length=35, blank=True)
    subject = models.CharField(_("Subject"), max_length=2000, blank=True)
    message = models.TextField(_("Message"), blank=True)
    html = models.TextField(_("HTML message"), blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "language"], name="text_once_a_language")]

    def __str__(self) -> str:
        return self.language or "default"
