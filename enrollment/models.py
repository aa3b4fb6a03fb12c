"""Invitations to enroll a device, their secrets and states."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from devices.models import Device, Group, Person
from foundation.secrets import SecretField
from foundation.sql.ids import new_uid


class Invitation(models.Model):
    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        REDEEMED = "redeemed", _("Redeemed")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")

    id = models.UUIDField(primary_key=True, default=new_uid, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True, related_name="invitations")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, blank=True, related_name="invitations")
    mode = models.CharField(max_length=32)
    platform = models.CharField(max_length=8, choices=Device.Platform.choices, blank=True)
    ownership = models.CharField(max_length=9, choices=Device.Ownership.choices, default=Device.Ownership.UNKNOWN)
    binding_kind = models.CharField(max_length=16, blank=True)
    binding_value = models.CharField(max_length=128, blank=True)
    token_digest = models.CharField(max_length=64, unique=True)
    token = SecretField()
    pin = SecretField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=False) | Q(group__isnull=False), name="invitation_of_person_or_group"
            )
        ]

    def __str__(self) -> str:
        return str(self.id)
