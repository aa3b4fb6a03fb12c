"""From a stored server to a mail in the mailbox: each way to secure the connection with each way to sign in."""

import ssl
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import pytest
from django.utils import timezone

from servers import factory
from servers.models import AccessToken, SmtpServer
from servers.smtp import channel as smtp
from servers.smtp.tokens import shared
from tests.db.world import NOW, smtp_server
from tests.wire.certificates import Authority
from tests.wire.scripted import Peer, Received, honest
from tests.wire.test_smtp_sign_in import NAME, TOKEN, WORD, cram_md5, login, ntlm_server, plain, xoauth2
from tests.wire.token_endpoint import token_endpoint
from transports.net.guard import ConnectionFailed, Policy
from transports.net.oauth import TokenRequest
from transports.net.tls import tls_context
from transports.smtp import testing
from transports.types import AddressKind, Message, Recipient, Sent

pytestmark = pytest.mark.django_db
ANNA = Recipient(AddressKind.MAIL, "anna@example.org")
SIGN_IN = {
    "PLAIN": plain,
    "LOGIN": login,
    "CRAM-MD5": cram_md5,
    "NTLM": ntlm_server([], first=""),
    "XOAUTH2": xoauth2,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def endpoint(authority, tmp_path, monkeypatch, settings):
    bundle = tmp_path / "authorities.pem"
    bundle.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    tls_context.cache_clear()
    settings.XMNOTIFY_HTTPS_PORTS = None
    settings.XMNOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    with token_endpoint(authority.server()) as made:
        made.answer = {"access_token": TOKEN, "expires_in": 3600}
        yield made
    tls_context.cache_clear()


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    """What pyspnego's NTLM server knows."""
    file = tmp_path / "accounts"
    file.write_text(f"CORP:{NAME}:{WORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(file))


def peer_script(security, mechanism, *, received, authority):
    offered = ("PIPELINING", "AUTH NTLM LOGIN PLAIN CRAM-MD5 XOAUTH2")
    sign_in = SIGN_IN.get(mechanism)
    if security == "tls":
        return honest(received, features=("STARTTLS", *offered), tls=authority.server(), sign_in=sign_in)
    spoken = honest(received, features=offered, sign_in=sign_in)

    def over_tls(talk):
        with suppress(ssl.SSLError):
            talk.secure(authority.server())
            spoken(talk)

    return over_tls if security == "ssl" else spoken


def signed_in(mechanism, *, url):
    if mechanism == "none":
        return {}
    fields = {"authentication": True, "username": NAME, "password": WORD}
    if mechanism == "NTLM":
        return fields | {"spa": True, "username": rf"CORP\{NAME}"}
    if mechanism == "XOAUTH2":
        secret = {"oauth_client_id": "client", "oauth_client_secret": "secret", "oauth_token_url": url}
        return fields | secret | {"mechanism": mechanism, "password": ""}
    return fields | {"mechanism": mechanism}


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("security", ["none", "ssl", "tls"])
@pytest.mark.parametrize("mechanism", ["none", "PLAIN", "LOGIN", "CRAM-MD5", "NTLM", "XOAUTH2"])
def test_a_mail_arrives(security, mechanism, authority, endpoint):
    received = Received()
    with Peer(peer_script(security, mechanism, received=received, authority=authority)) as peer:
        fields = signed_in(mechanism, url=endpoint.url)
        stored = smtp_server(port=peer.port, security=security, ca_bundle=authority.pem, timeout=30, **fields)
        channel = factory.build_channel(SmtpServer.objects.get(pk=stored.pk))
        wire = channel.prepare(Message(uuid4(), "Hello", f"by {mechanism}\n", NOW), (ANNA,))
        connection = channel.connect()
        ((_, result),) = connection.send([wire])
        connection.close()
    assert [type(outcome) for outcome in result.outcomes] == [Sent], result
    ((recipients, mail),) = received.mails
    assert recipients == (ANNA.address,)
    assert f"by {mechanism}" in mail.decode()
    tries = [line.split()[1] for line in received.commands if line.startswith("AUTH")]
    assert tries == ([] if mechanism == "none" else [mechanism])


def test_servers_are_greeted_with_the_name_that_the_operator_gave(settings):
    settings.XMNOTIFY_EHLO_NAME = "notify.example.com"
    received = Received()
    with Peer(honest(received)) as peer:
        stored = smtp_server(port=peer.port)
        factory.build_channel(SmtpServer.objects.get(pk=stored.pk)).connect().close()
    assert received.commands[0].lower() == "ehlo notify.example.com"


def source(endpoint, **changes):
    request = TokenRequest(endpoint.url, "client", changes.get("secret", "secret"))
    return shared(request, timeout=timedelta(seconds=30), policy=Policy(private=True))


def test_a_token_is_fetched_once_for_all_workers_and_kept_encrypted(endpoint):
    assert source(endpoint).token() == source(endpoint).token() == TOKEN
    assert len(endpoint.requests) == 1
    row = AccessToken.objects.get()
    assert row.value.reveal() == TOKEN
    assert TOKEN not in row.value.sealed
    assert "secret" not in row.key


def test_a_changed_secret_fetches_its_own_token(endpoint):
    source(endpoint).token()
    source(endpoint, secret="other").token()
    assert [request["client_secret"] for request in endpoint.requests] == ["secret", "other"]


def test_near_its_end_one_worker_fetches_a_new_token_and_the_others_use_the_old_one_up(endpoint):
    source(endpoint).token()
    soon = timezone.now() + timedelta(minutes=1)
    AccessToken.objects.update(expires_at=soon, refreshing_until=soon)
    assert source(endpoint).token() == TOKEN
    assert len(endpoint.requests) == 1
    AccessToken.objects.update(refreshing_until=None)
    endpoint.answer = {"access_token": "new", "expires_in": 3600}
    assert source(endpoint).token() == "new"
    assert source(endpoint).token() == "new"
    assert len(endpoint.requests) == 2


def test_an_endpoint_that_is_down_does_not_matter_while_the_token_lasts(endpoint):
    source(endpoint).token()
    endpoint.status, endpoint.answer = 503, {}
    AccessToken.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert source(endpoint).token() == TOKEN
    AccessToken.objects.update(expires_at=timezone.now())
    with pytest.raises(ConnectionFailed):
        source(endpoint).token()


@pytest.mark.usefixtures("accounts")
def test_a_test_configuration_signs_in_with_a_fresh_token_and_keeps_none(authority, endpoint):
    received = Received()
    with Peer(peer_script("none", "XOAUTH2", received=received, authority=authority)) as peer:
        server = SmtpServer.objects.get(pk=smtp_server(port=peer.port, **signed_in("XOAUTH2", url=endpoint.url)).pk)
        message = Message(uuid4(), "Test", "It works.\n", NOW)
        stages = list(testing.run(smtp.config(server), message=message, to=ANNA, policy=smtp.policy()))
    assert all(stage.ok for stage in stages)
    assert not AccessToken.objects.exists()


def test_a_token_endpoint_that_refuses_is_told_at_the_sign_in(authority, endpoint):
    endpoint.status, endpoint.answer = 401, {"error": "invalid_client"}
    with Peer(peer_script("none", "XOAUTH2", received=Received(), authority=authority)) as peer:
        server = SmtpServer.objects.get(pk=smtp_server(port=peer.port, **signed_in("XOAUTH2", url=endpoint.url)).pk)
        message = Message(uuid4(), "Test", "It works.\n", NOW)
        *_, stage = testing.run(smtp.config(server), message=message, to=ANNA, policy=smtp.policy())
    assert (stage.name, stage.code) == ("authenticate", "credentials_refused")
    assert "token endpoint" in stage.cause


def test_a_token_that_the_server_refuses_is_used_no_more(authority, endpoint):
    endpoint.answer = {"access_token": "revoked", "expires_in": 3600}
    with Peer(peer_script("none", "XOAUTH2", received=Received(), authority=authority)) as peer:
        stored = smtp_server(port=peer.port, **signed_in("XOAUTH2", url=endpoint.url))
        channel = factory.build_channel(SmtpServer.objects.get(pk=stored.pk))
        refused = channel.connect()
        assert refused.reason.code == "credentials_refused"
        assert "revoked" not in refused.reason.detail
        endpoint.answer = {"access_token": TOKEN, "expires_in": 3600}
        channel.connect().close()
    assert len(endpoint.requests) == 2
