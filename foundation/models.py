"""The audit trail's rows, keys that are made here, and what retention removed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from foundation.secrets import SecretField


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


class StoredKey(models.Model):
    """A key for one purpose, `name`, that every process has to know; encrypted as all secrets are."""

    name = models.CharField(primary_key=True, max_length=32)
    value = SecretField()

    def __str__(self) -> str:
        return self.name


class Purge(models.Model):
    """One pass of retention over rows of one kind: what was older than `before` is gone once it has ended."""

    what = models.CharField(max_length=32)
    before = models.DateTimeField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    removed = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["what", "before"], name="purge_what")]

    def __str__(self) -> str:
        return f"{self.what} before {self.before:%Y-%m-%d}"
