"""Where the web listens, and under which address it can be opened."""

import socket

import pytest
from django.core.exceptions import ImproperlyConfigured

from xmnotify.quickstart.listening import Listening, listening

BOTH = [
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
]


def resolver(found):
    def resolve(*arguments, **named):
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return found

    return resolve


@pytest.mark.parametrize(
    ("host", "address", "opened"),
    [
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:8000/"),
        ("0.0.0.0", "0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "::", "http://[::1]:8000/"),
        ("::1", "::1", "http://[::1]:8000/"),
        ("[::1]", "::1", "http://[::1]:8000/"),
        ("192.0.2.7", "192.0.2.7", "http://192.0.2.7:8000/"),
        ("[0:0::0]", "::", "http://[::1]:8000/"),
    ],
)
def test_an_address_is_listened_on_as_it_is_and_opened_under_one_that_can_be(host, address, opened):
    found = listening(host, port=8000)
    assert (found.address, found.url) == (address, opened)


def test_a_name_is_looked_up_and_the_older_kind_of_address_taken_where_there_are_both(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", resolver(BOTH))
    assert listening("localhost", port=8000) == Listening("127.0.0.1", 8000)


def test_a_name_with_an_address_of_the_new_kind_alone_is_listened_on(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", resolver(BOTH[:1]))
    assert listening("localhost", port=8000).url == "http://[::1]:8000/"


@pytest.mark.parametrize("host", ["nowhere", "http://127.0.0.1", "127.0.0.1:8000", "x" * 300])
def test_what_names_no_address_stops_the_start(monkeypatch, host):
    monkeypatch.setattr(socket, "getaddrinfo", resolver([]))
    with pytest.raises(ImproperlyConfigured, match=r"^XMNOTIFY_HOST is"):
        listening(host, port=8000)
