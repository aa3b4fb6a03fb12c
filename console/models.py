"""The audit trail, and second factors."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.secrets import SecretField


class AuditEntry(models.Model):
    """Who changed what, before and after; secrets are masked before they get here."""

    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    actor = models.CharField(_("who"), max_length=255)
    action = models.CharField(_("action"), max_length=64)
    object_type = models.CharField(_("type"), max_length=64)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(_("name"), max_length=255, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.CharField(_("from"), max_length=45, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        ordering = ["-id"]
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_object")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_name}"


class SecondFactor(models.Model):
    """An administrator's app for one-time codes. `recovery` holds digests of the codes that are still good."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor")
    secret = SecretField(_("key"))
    last_step = models.BigIntegerField(
        default=-1, help_text=_("the time step of the last code: none before it is taken")
    )
    recovery = models.JSONField(default=list)
    failures = models.PositiveIntegerField(default=0)
    blocked_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")

    def __str__(self) -> str:
        return str(self.user)
