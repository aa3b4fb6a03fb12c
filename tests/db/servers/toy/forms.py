"""The form of a toy service."""

from django import forms
from django.core.exceptions import ValidationError

from servers.forms import ServerForm, secret_field
from servers.kept_secrets import moved
from servers.models import PushService
from servers.validators import refuse, tidy


def clean(service):
    service.kind = service.Kind.FCM
    tidy(service)
    refuse(service, rules=(moved, _account))


def _account(service):
    if not service.service_account:
        yield "service_account", ValidationError("This field is required.", code="required")


class ToyForm(ServerForm[PushService]):
    main = ("name", "description", "service_account")
    advanced = ("retries", "timeout", "connections", "base_url", "ca_bundle")
    secrets = ("service_account",)
    service_account = secret_field("Service account file")
    base_url = forms.CharField(required=False)

    class Meta:
        model = PushService
        fields = [
            "name",
            "description",
            "service_account",
            "retries",
            "timeout",
            "connections",
            "base_url",
            "ca_bundle",
        ]

    def check(self, instance):
        clean(instance)
