"""`manage.py createsuperuser`, Django's own, recorded in the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User

from foundation import audit
from foundation.audit import Action, Actor


class Command(createsuperuser.Command):
    """The entry is written once the user is: nothing holds the database while somebody types."""

    def handle(self, *arguments: Any, **options: Any) -> str | None:
        known = set(User.objects.filter(is_superuser=True).values_list("pk", flat=True))
        words = super().handle(*arguments, **options)
        for user in User.objects.filter(is_superuser=True).exclude(pk__in=known):
            actor = Actor("createsuperuser")
            audit.record(actor, action=Action.ADD, instance=user, after=audit.snapshot(user))
        return words
