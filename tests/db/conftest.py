"""What database tests share: any port may be connected to, and no channel outlives its test."""

import pytest
from django.core.management import call_command

from foundation import fingerprints
from servers import factory
from templates_app import queries


@pytest.fixture(autouse=True)
def _any_port(settings):
    settings.XMNOTIFY_SMTP_PORTS = None


_emptied = []


@pytest.fixture(autouse=True)
def _without_what_migrations_made(request):
    """A test that commits finds no predefined templates, nor does the first one: each empties all tables after it."""
    marker = request.node.get_closest_marker("django_db")
    if marker and marker.kwargs.get("transaction") and not _emptied:
        request.getfixturevalue("transactional_db")
        call_command("flush", verbosity=0, interactive=False)
        _emptied.append(True)


@pytest.fixture(autouse=True)
def _fresh_caches():
    factory.forget()
    fingerprints.forget()
    queries.version_texts.cache_clear()
