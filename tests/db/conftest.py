"""What database tests share: any port may be connected to, and no channel outlives its test."""

import pytest

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
