"""Settings > Notification Server: list, form, activate, delete, test."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from console.kit import registry, typed_secrets
from console.kit.registry import Level, State
from foundation.audit import MASK, NEW_MASK
from foundation.models import AuditEntry
from servers import health
from servers.models import Server, ServerTest, SmtpServer
from tests import waiting
from tests.db.world import NOW, sms_gateway, smtp_server, template
from tests.wire.scripted import Peer, Received, honest

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/settings/notification-server/"
TYPED = {
    "name": "Corporate relay",
    "host": "127.0.0.1",
    "security": "none",
    "port": "2525",
    "unencrypted_accepted": "on",
    "from_email": "it@example.com",
    "retries": "5",
    "timeout": "30",
    "max_recipients": "100",
    "tls_minimum": "1.2",
    "mechanism": "AUTO",
    "messages_per_connection": "1000",
    "pipelining": "auto",
    "sign_ins_after_refusal": "2",
    "connections": "4",
    "rate_limit": "0",
}


def text(answer):
    return answer.content.decode()


def test_the_first_server_is_added_active_and_audited(admin_client):
    answer = admin_client.post(f"{LIST}smtp/add/", TYPED)
    assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert SmtpServer.objects.get().active
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_name) == ("admin", "add", "Corporate relay")
    assert entry.after["host"] == "127.0.0.1"


def test_a_refused_form_keeps_what_was_typed_and_opens_the_advanced_settings_at_an_error(admin_client):
    answer = admin_client.post(f"{LIST}smtp/add/", {**TYPED, "timeout": "0", "from_name": "Corporate IT"})
    assert answer.status_code == 422
    assert 'value="Corporate IT"' in text(answer)
    assert answer.context["advanced_open"]
    assert not SmtpServer.objects.exists()


def test_a_new_password_is_told_to_the_audit_trail_without_its_words(admin_client):
    server = smtp_server(authentication=True, username="anna", password="first-words", host="127.0.0.1")
    changed = {**TYPED, "name": server.name, "authentication": "on", "username": "anna", "password": "second-words"}
    assert admin_client.post(f"{LIST}smtp/{server.pk}/", changed).status_code == 302
    assert SmtpServer.objects.get().password.reveal() == "second-words"
    entry = AuditEntry.objects.get()
    assert (entry.before["password"], entry.after["password"]) == (MASK, NEW_MASK)
    assert "words" not in str(entry.before) + str(entry.after)


@pytest.mark.parametrize("address", ["", "test/"])
def test_a_stored_password_is_neither_saved_for_nor_tested_at_another_server(admin_client, address):
    received = Received()
    with Peer(honest(received, features=("AUTH PLAIN",))) as peer:
        server = smtp_server(authentication=True, username="anna", password="open-sesame", host="mail.example.com")
        typed = {**TYPED, "port": str(peer.port), "authentication": "on", "username": "anna", "password": ""}
        answer = admin_client.post(f"{LIST}smtp/{server.pk}/{address}", {**typed, "test_to": "anna@example.org"})
    assert answer.status_code == 422
    assert "The stored one is for other settings; with the changed “SMTP Server”, “SMTP server port”" in text(answer)
    assert received.commands == []
    assert SmtpServer.objects.get().host == "mail.example.com"


SIGNED_IN = {**TYPED, "authentication": "on", "username": "anna", "password": "", "test_to": "anna@example.org"}
SECURED = {**SIGNED_IN, "security": "tls", "verify_certificate": "on"}


def stored_at(port):
    """A server whose stored password is for TLS at this port of loopback."""
    how = {"authentication": True, "username": "anna", "password": "open-sesame"}
    return smtp_server(name="Corporate relay", host="127.0.0.1", port=port, security="tls", **how)


def later(client):
    """As if the password was given eleven minutes ago."""
    session = client.session
    session["console.password_at"] = timezone.now().timestamp() - 660
    session.save()


def nothing_came(received):
    return received.commands == []


@pytest.mark.parametrize("address", ["", "test/"])
@pytest.mark.parametrize("change", [{"port": "other"}, {"security": "none"}, {"port": "other", "security": "none"}])
def test_another_port_or_no_tls_does_not_get_the_stored_password(admin_client, change, address):
    received = Received()
    with Peer(honest(received, features=("AUTH PLAIN LOGIN",))) as peer:
        server = stored_at(1 if "port" in change else peer.port)
        typed = {**SECURED, **change, "port": str(peer.port)}
        answer = admin_client.post(f"{LIST}smtp/{server.pk}/{address}", typed)
        waiting.for_threads("server-test")
    assert answer.status_code == 422
    assert answer.context["form"].errors["password"]
    assert nothing_came(received)


def test_a_test_with_a_stored_secret_asks_for_the_own_password_and_one_with_a_typed_one_does_not(
    admin_client, admin_user
):
    received = Received()
    script = honest(received, features=("AUTH PLAIN",), sign_in=lambda talk, line: "235 ok")
    with Peer(script) as peer:
        server = smtp_server(
            name="Corporate relay", port=peer.port, authentication=True, username="anna", password="open-sesame"
        )
        path, typed = f"{LIST}smtp/{server.pk}/test/", {**SIGNED_IN, "port": str(peer.port)}
        fragment = {"HX-Request": "true"}
        later(admin_client)
        asked = admin_client.post(path, typed, headers=fragment)
        wrong = admin_client.post(path, {**typed, "own_password": "no"}, headers=fragment)
        page = admin_client.post(path, typed)
        assert [answer.status_code for answer in (asked, wrong, page)] == [422, 422, 422]
        assert 'name="own_password"' in text(asked)
        assert "This is not your password" in text(wrong)
        assert nothing_came(received)
        assert not ServerTest.objects.exists()
        assert admin_client.post(path, {**typed, "password": "typed"}, headers=fragment).status_code == 200
        held = re.search(r'name="held" value="([^"]+)"', text(page))[1]
        assert admin_client.post(path, {"held": held, "own_password": "no"}).status_code == 422
        confirmed = admin_client.post(path, {"held": held, "own_password": "password"})
        assert (confirmed.status_code, 'id="test-result"' in text(confirmed)) == (200, True)
        assert admin_client.post(path, typed, headers=fragment).status_code == 200
        waiting.for_threads("server-test")
    assert ServerTest.objects.filter(passed=True).count() == 3


def test_a_stolen_session_can_not_guess_the_password_at_a_test_for_long(admin_client):
    server = stored_at(1)
    path, typed = f"{LIST}smtp/{server.pk}/test/", {**SECURED, "port": "1", "own_password": "no"}
    later(admin_client)
    answers = [text(admin_client.post(path, typed, headers={"HX-Request": "true"})) for _ in range(8)]
    assert "This is not your password" in answers[0]
    assert "Too many wrong attempts. The next one is looked at after" in answers[-1]
    right = admin_client.post(path, {**typed, "own_password": "password"}, headers={"HX-Request": "true"})
    assert "Too many wrong attempts" in text(right)
    assert not ServerTest.objects.exists()


def kept(answer):
    return dict(re.findall(r'name="(\w+_kept)" value="([^"]+)"', text(answer)))


@pytest.mark.parametrize("address", ["add/", "{pk}/"])
def test_a_secret_typed_into_a_form_that_is_refused_for_another_field_is_not_typed_again(admin_client, address):
    server = smtp_server(name="Other", host="127.0.0.1", authentication=True, username="anna", password="old-words")
    path = f"{LIST}smtp/{address.format(pk=server.pk)}"
    typed = {**SIGNED_IN, "port": str(server.port), "password": "typed-sesame"}
    refused = admin_client.post(path, {**typed, "from_email": "nobody"})
    assert refused.status_code == 422
    assert "typed-sesame" not in text(refused)
    assert "kept for this form" in text(refused)
    again = admin_client.post(path, {**typed, "from_email": "no", "password": "", **kept(refused)})
    assert kept(again) == kept(refused)
    assert admin_client.post(path, {**typed, "password": "", **kept(again)}).status_code == 302
    assert SmtpServer.objects.get(name=TYPED["name"]).password.reveal() == "typed-sesame"


def test_a_kept_secret_is_for_one_user_one_page_one_purpose_and_an_hour(admin_client, client, monkeypatch):
    server = smtp_server(name="Other", host="127.0.0.1", authentication=True, username="anna", password="old-words")
    path = f"{LIST}smtp/{server.pk}/"
    typed = {**SIGNED_IN, "port": str(server.port), "password": "typed-sesame"}
    token = kept(admin_client.post(path, {**typed, "from_email": "nobody"}))
    typed = {**typed, "password": "", **token}
    client.force_login(User.objects.create_superuser("bob"))
    answers = [
        admin_client.post(path, {**typed, "port": str(server.port + 1)}),
        admin_client.post(path, {**typed, "security": "tls"}),
        admin_client.post(path, {**typed, "password_kept": "forged"}),
        admin_client.post(f"{LIST}smtp/add/", typed),
        client.post(path, typed),
    ]
    monkeypatch.setattr(typed_secrets, "KEPT", timedelta())
    answers.append(admin_client.post(path, typed))
    for answer in answers:
        assert answer.status_code == 422
        assert "type it again" in str(answer.context["form"].errors["password"])
    assert SmtpServer.objects.get().password.reveal() == "old-words"


def test_activating_one_turns_the_other_off_and_is_audited(admin_client):
    first, second = smtp_server(name="First"), smtp_server(name="Second", active=False)
    assert admin_client.post(f"{LIST}{second.pk}/activate/").status_code == 302
    assert list(Server.objects.filter(active=True)) == [Server.objects.get(name="Second")]
    assert AuditEntry.objects.get().action == "activate"
    assert admin_client.post(f"{LIST}{first.pk + 1000}/activate/").status_code == 404


def test_deleting_the_last_server_tells_what_stops_working(admin_client):
    server = smtp_server()
    template(name="A first one")
    page = text(admin_client.get(f"{LIST}{server.pk}/delete/", headers={"HX-Request": "true"}))
    assert "A first one" in page
    assert "can&#x27;t be sent through this channel any more" in page
    assert admin_client.post(f"{LIST}{server.pk}/delete/").status_code == 302
    assert not Server.objects.exists()
    assert AuditEntry.objects.get().action == "delete"


def test_the_active_server_is_kept_while_there_is_another(admin_client):
    server = smtp_server()
    smtp_server(name="Second", active=False)
    page = text(admin_client.get(f"{LIST}{server.pk}/delete/"))
    assert "Activate another server" in page
    admin_client.post(f"{LIST}{server.pk}/delete/")
    assert Server.objects.count() == 2


def test_without_an_active_server_every_page_has_a_banner(admin_client):
    assert "No SMTP server is active" in text(admin_client.get("/settings/about/"))
    smtp_server()
    assert "No SMTP server is active" not in text(admin_client.get("/settings/about/"))


@pytest.mark.parametrize(
    ("fields", "level", "words"),
    [
        ({"stopped_at": timezone.now(), "trouble_code": "credentials_refused"}, Level.ERROR, "It has stopped"),
        ({"paused_until": timezone.now() + timedelta(hours=1)}, Level.WARNING, "tried again by itself"),
        *(
            ({"paused_until": timezone.now() + timedelta(hours=1), "trouble_code": code}, Level.WARNING, words)
            for code, words in (
                ("no_route", "It can't be reached: There is no route to the server."),
                ("throttled", "It is paused: The server limits how much it takes."),
                ("answers_lost", "its answers come later than SMTP Timeout"),
                ("credentials_refused", "a single sign-in is tried again by itself"),
            )
        ),
        ({"paused_until": timezone.now() - timedelta(hours=1)}, Level.OK, "It is active."),
    ],
)
def test_a_server_in_trouble_is_found(fields, level, words):
    smtp_server(**fields)
    (found,) = [one for one in health.findings() if one.subject == "Mail" and one.level is level]
    assert words in found.words
    assert found.banner == (level is not Level.OK)


def test_the_tile_tells_how_many_are_active_and_untested(admin_user):
    tile = next(tile for tile in registry.tiles(admin_user) if tile.view == "notification-server")
    assert tile.state().words == "Not set up"
    smtp_server()
    assert str(tile.state().words) == "1 active, 1 untested"


def test_a_test_of_unsaved_values_shows_its_stages_and_stores_no_server(admin_client):
    with Peer(honest(Received())) as peer:
        typed = {**TYPED, "port": str(peer.port), "test_to": "anna@example.org", "name": ""}
        answer = admin_client.post(f"{LIST}smtp/test/", typed, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        waiting.for_threads("server-test")
    found = ServerTest.objects.get()
    shown = text(admin_client.get(f"{LIST}tests/{found.pk}/", headers={"HX-Request": "true"}))
    assert "The test passed" in shown
    assert "hx-get" not in shown
    assert "<html" not in shown
    assert not Server.objects.exists()
    assert "<html" in text(admin_client.get(f"{LIST}tests/{found.pk}/"))


def test_a_test_tells_what_must_be_corrected_first(admin_client):
    typed = {**TYPED, "host": "", "test_to": "anna@example.org"}
    answer = admin_client.post(f"{LIST}smtp/test/", typed, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "SMTP Server: This field is required." in text(answer)
    answer = admin_client.post(f"{LIST}smtp/test/", {**TYPED, "test_to": "nobody"}, headers={"HX-Request": "true"})
    assert "Send a test to: Enter a mail address" in text(answer)
    assert not ServerTest.objects.exists()


def test_without_script_a_test_gives_the_form_back_as_it_was_typed(admin_client):
    with Peer(honest(Received())) as peer:
        typed = {**TYPED, "port": str(peer.port), "test_to": "anna@example.org", "from_name": "Corporate IT"}
        answer = admin_client.post(f"{LIST}smtp/test/", typed)
        waiting.for_threads("server-test")
    assert answer.status_code == 200
    assert 'value="Corporate IT"' in text(answer)
    assert f"{LIST}tests/{ServerTest.objects.get().pk}/" in text(answer)


def test_a_viewer_sees_the_settings_and_may_neither_save_nor_test_nor_activate(client):
    server = smtp_server()
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_server", "view_smtpserver"]))
    client.force_login(user)
    page = text(client.get(f"{LIST}smtp/{server.pk}/"))
    assert 'id="test-title"' not in page
    assert "<fieldset" in page
    assert " disabled" in page
    for path in ("smtp/test/", f"smtp/{server.pk}/test/", f"smtp/{server.pk}/", "smtp/add/"):
        assert client.post(f"{LIST}{path}", TYPED).status_code == 403, path
    assert client.post(f"{LIST}{server.pk}/activate/").status_code == 403
    assert client.post(f"{LIST}{server.pk}/delete/").status_code == 403
    assert client.get(f"{LIST}smtp/add/").status_code == 403


def test_a_test_that_broke_off_says_so(admin_client):
    now = timezone.now()
    row = ServerTest.objects.create(
        actor="user:1", to="anna@example.org", started_at=now, ends_by=now, finished_at=now, passed=False
    )
    assert "The test broke off" in text(admin_client.get(f"{LIST}tests/{row.pk}/"))


def test_without_script_a_provider_fills_the_form_by_its_address(admin_client):
    shown = admin_client.get(f"{LIST}smtp/add/?for=google-workspace")
    form, words = shown.context["form"], shown.content.decode()
    assert (form["host"].value(), form["mechanism"].value(), form["connections"].value()) == (
        "smtp.gmail.com",
        "XOAUTH2",
        3,
    )
    assert "To be done at Google Workspace first" in words
    assert admin_client.get(f"{LIST}smtp/add/?for=nobody").context["form"]["host"].value() == ""


def test_a_servers_own_page_says_whether_it_is_active_and_has_it_deleted_or_activated(admin_client):
    active, other = smtp_server(), smtp_server(name="Other", active=False)
    shown = admin_client.get(f"{LIST}smtp/{active.pk}/").content.decode()
    assert "Not active" not in shown
    assert f'href="/settings/notification-server/{active.pk}/delete/"' in shown
    shown = admin_client.get(f"{LIST}smtp/{other.pk}/").content.decode()
    assert "Not active" in shown
    assert f'action="/settings/notification-server/{other.pk}/activate/"' in shown


def test_the_list_has_smtp_servers_before_sms_gateways_and_the_tile_no_tick_for_what_is_untested(admin_client):
    sms_gateway(name="A gateway")
    server = smtp_server(name="Z server")
    shown = admin_client.get(LIST).content.decode()
    assert shown.index("Z server") < shown.index("A gateway")
    assert [one.subject for one in health.findings() if one.level is Level.OK] == ["Z server", "A gateway"]
    assert health._state("notification-server") == State("2 active, 2 untested", Level.NEUTRAL)
    Server.objects.update(last_test_at=NOW)
    assert health._state("notification-server").level is Level.OK
    Server.objects.filter(pk=server.pk).update(stopped_at=NOW, last_test_at=None)
    assert health._state("notification-server").level is Level.ERROR
