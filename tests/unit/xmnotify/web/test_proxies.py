"""Headers of proxies count where the peer is trusted, and nowhere else."""

from ipaddress import ip_network

import pytest

from xmnotify.web import proxies

TRUSTED = (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))


def settled(peer, **headers):
    environ = {"REMOTE_ADDR": peer, **{f"HTTP_X_FORWARDED_{name}": value for name, value in headers.items()}}
    believed = proxies.settle(environ, trusted=TRUSTED)
    return environ, believed


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("10.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("fd00::1", "[2001:db8::5]:4711", "2001:db8::5"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "x" * 10_000, "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy(peer, said, client):
    environ, believed = settled(peer, FOR=said)
    assert (environ["REMOTE_ADDR"], believed) == (client, True)


def test_scheme_and_host_are_the_nearest_proxys():
    environ, _ = settled("10.0.0.1", PROTO="https, http", HOST="evil.example, notify.example.com")
    assert (environ[proxies.PROTO], environ[proxies.HOST]) == ("http", "notify.example.com")


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.1.1", "127.0.0.1", "", "fd00:0:0:1::1"])
def test_from_anywhere_else_they_are_dropped(peer):
    environ, believed = settled(peer, FOR="203.0.113.1", PROTO="https", HOST="evil.example")
    assert (environ, believed) == ({"REMOTE_ADDR": peer}, False)


def test_who_says_nothing_is_not_doubted():
    assert settled("192.0.2.1") == ({"REMOTE_ADDR": "192.0.2.1"}, True)
