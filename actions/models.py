"""Automated actions: trigger, condition, template, delay and repetition."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from templates_app.models import NotificationTemplate


class Rule(models.Model):
    """`condition` is a filter of the HTTP interface: {"all": [...]} or {"any": [...]}; empty holds always."""

    class Trigger(models.TextChoices):
        EVENT = "event", _("Event")
        DEVICE_PROPERTY = "device_property", _("Device property")
        USER_PROPERTY = "user_property", _("User property")
        INSTALLED_APP = "installed_app", _("Installed app name")

    name = models.CharField(_("name"), max_length=255, unique=True)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    enabled = models.BooleanField(_("enabled"), default=True)
    trigger = models.CharField(_("trigger"), max_length=16, choices=Trigger.choices)
    subject = models.CharField(_("event type, property or app"), max_length=255)
    condition = models.JSONField(_("condition"), default=dict, blank=True)
    template = models.ForeignKey(NotificationTemplate, on_delete=models.PROTECT, related_name="rules")
    delay = models.DurationField(_("delay"), default=timedelta())
    repeat_every = models.DurationField(_("repeat every"), null=True, blank=True)
    repeat_most = models.PositiveIntegerField(_("repeat at most"), default=0)
    last_fired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("automated action")
        verbose_name_plural = _("automated actions")
        ordering = ["name"]
        indexes = [models.Index(fields=["trigger", "subject"], name="rule_trigger")]

    def __str__(self) -> str:
        return self.name
