"""Every POST of the console works without script: a case for each, found by walking through the addresses."""

from ipaddress import ip_network

import pytest

from tests.browser import (  # noqa: F401 - they register cases
    cases_of_access,
    cases_of_broadcasts,
    cases_of_devices,
    cases_of_messages,
    cases_of_servers,
)
from tests.browser.without_script import CASES, NEEDS_SCRIPT, posts, routes_of

ROUTES = posts()


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.XMNOTIFY_SMTP_PORTS = settings.XMNOTIFY_HTTP_PORTS = None
    settings.XMNOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.1/32"),)


def test_every_case_is_of_a_route_and_none_of_one_that_needs_script():
    assert set(ROUTES) == {*CASES, *NEEDS_SCRIPT}
    assert not set(CASES) & set(NEEDS_SCRIPT)


@pytest.mark.parametrize("walk", dict.fromkeys(CASES.values()), ids=lambda walk: " ".join(routes_of(walk)))
def test_a_post_works_without_script(plain_page, walk):
    walk(plain_page)
