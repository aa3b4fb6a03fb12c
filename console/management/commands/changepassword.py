"""`manage.py changepassword NAME`, Django's own, recorded in the audit trail."""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User

from foundation import audit
from foundation.audit import Action, Actor


class Command(changepassword.Command):
    """The entry is written once the password is: nothing holds the database while somebody types."""

    def handle(self, *arguments: Any, **options: Any) -> str | None:
        words = super().handle(*arguments, **options)
        user = User.objects.get(username=options["username"] or getpass.getuser())
        audit.record(Actor("changepassword"), action=Action.PASSWORD, instance=user)
        return words
