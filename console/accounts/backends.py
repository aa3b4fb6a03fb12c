"""Passwords are looked at where nobody is locked out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from console.accounts import limits, lockout


class PasswordBackend(ModelBackend):
    """Refuses without checking the password during a lock-out, whoever asks for it to be checked."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if request is not None and lockout.locked_until(request, username or "", now=timezone.now()):
            raise PermissionDenied
        return super().authenticate(request, username=username, password=password, **kwargs)

    def get_user(self, user_id: int) -> User | None:
        """With the profile, and whether one of the roles is limited, which every page asks for."""
        user = User.objects.select_related("profile").annotate(limited=limits.LIMITED).filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
