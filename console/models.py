"""Profiles, second factors, and wrong passwords and codes as long as they count."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from foundation.secrets import SecretField


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


class Profile(models.Model):
    """How an administrator wants the console. `time_zone` is a name of the IANA's, empty for that of the browser."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")

    def __str__(self) -> str:
        return str(self.user)


class Failures(models.Model):
    """Wrong passwords and codes of one account by one way, or from one address: see `console.accounts.lockout`."""

    counted = models.CharField(max_length=200, unique=True)
    number = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)
    locked_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("failed log-ins")
        verbose_name_plural = _("failed log-ins")

    def __str__(self) -> str:
        return self.counted


class RoleRule(models.Model):
    """What a role asks of its members besides what it grants them."""

    role = models.OneToOneField("auth.Group", on_delete=models.CASCADE, related_name="rule", editable=False)
    second_factor = models.BooleanField(_("second factor required"), default=False)
    limited = models.BooleanField(
        _("limited to groups"),
        default=False,
        help_text=_("to the users of which groups, devices.models.RoleScope says"),
    )

    class Meta:
        verbose_name = _("rule of a role")
        verbose_name_plural = _("rules of roles")

    def __str__(self) -> str:
        return str(self.role)
