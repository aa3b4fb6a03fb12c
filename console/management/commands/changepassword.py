"""`manage.py changepassword NAME`, Django's own, told to the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User
from django.db import transaction

from foundation import audit
from foundation.audit import Action, Actor


class Command(changepassword.Command):
    def handle(self, *arguments: Any, **options: Any) -> str | None:
        with transaction.atomic():
            words = super().handle(*arguments, **options)
            user = User.objects.get(username=options["username"])
            audit.record(Actor("changepassword"), action=Action.PASSWORD, instance=user)
        return words
