"""What database tests share: any port may be connected to, and no channel outlives its test."""

from functools import cache

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from foundation import fingerprints
from servers import factory
from templates_app import queries


@pytest.fixture(autouse=True)
def _any_port(settings):
    settings.XMNOTIFY_SMTP_PORTS = None


@pytest.fixture(autouse=True)
def _fresh_caches():
    factory.forget()
    fingerprints.forget()
    queries.version_texts.cache_clear()


@cache
def _hashed():
    """Once: to hash a password takes longer than most tests."""
    return make_password("password")


@pytest.fixture
def admin_user(db):
    """As pytest-django has it, by the product's own way to hash."""
    fields = {"is_staff": True, "is_superuser": True, "email": "admin@example.com", "password": _hashed()}
    return User.objects.create(username="admin", **fields)
