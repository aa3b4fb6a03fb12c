"""Nothing typed is lost when a session ends or a token is old while a form is open; secrets alone are."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from console.kit.views import ConsoleView
from servers.models import SmtpServer
from templates_app.models import NotificationTemplate
from tests.db import world
from tests.db.console.test_every_page import address, patterns

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-9"
ADD = "/settings/notification-server/smtp/add/"
TYPED = {
    "name": "Relay <of the> house",
    "host": "mail.example.com",
    "port": "587",
    "security": "tls",
    "authentication": "on",
    "username": "relay",
    "password": "hunter2-hunter2",
    "from_email": "it@example.com",
}
HERE = {"Origin": "http://testserver"}


@pytest.fixture
def ada():
    return User.objects.create_superuser("ada", password=PASSWORD)


def text(answer):
    return answer.content.decode()


def sealed_in(answer):
    return re.search(r'name="typed" value="([^"]+)"', text(answer))[1]


def log_in(client, answer, **more):
    form = {"username": "ada", "password": PASSWORD, "next": ADD, "typed": sealed_in(answer), **more}
    return client.post("/admin/login/", form)


@pytest.mark.usefixtures("ada")
def test_a_form_posted_after_the_session_ended_is_there_again_after_the_log_in(client):
    asked = client.post(ADD, TYPED)
    assert asked.status_code == 403
    assert "Your session ended" in text(asked)
    assert f'name="next" value="{ADD}"' in text(asked)
    assert not SmtpServer.objects.exists()
    assert log_in(client, asked)["Location"] == ADD
    shown = text(client.get(ADD))
    assert 'value="Relay &lt;of the&gt; house"' in shown
    assert 'value="mail.example.com"' in shown
    assert "Nothing is saved yet" in shown
    assert "hunter2" not in shown
    assert not SmtpServer.objects.exists()
    assert "mail.example.com" not in text(client.get(ADD))  # once


@pytest.mark.usefixtures("ada")
def test_the_text_outlives_a_mistyped_password(client):
    asked = client.post(ADD, TYPED)
    wrong = log_in(client, asked, password="no")
    assert log_in(client, wrong).status_code == 302
    assert 'value="mail.example.com"' in text(client.get(ADD))


def test_a_secret_is_not_kept_however_well_it_is_sealed(client, monkeypatch):
    kept = []
    monkeypatch.setattr("console.kit.interrupted.seal", lambda words: kept.append(words) or "sealed")
    client.post(ADD, TYPED)
    assert "mail.example.com" in kept[0]
    assert "hunter2" not in kept[0]
    assert "csrfmiddlewaretoken" not in kept[0]


def test_a_stranger_makes_nothing_be_stored(client):
    asked = client.post(ADD, TYPED)
    assert sealed_in(asked)
    assert "sessionid" not in asked.cookies


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("sealed", ["", "nonsense", "x" * 1000])
def test_what_is_not_sealed_by_us_is_nothing(client, sealed):
    client.post("/admin/login/", {"username": "ada", "password": PASSWORD, "next": ADD, "typed": sealed})
    assert "Nothing is saved yet" not in text(client.get(ADD))


@pytest.mark.usefixtures("ada")
def test_it_is_forgotten_after_an_hour(client, monkeypatch):
    asked = client.post(ADD, TYPED)
    log_in(client, asked)
    monkeypatch.setattr("console.kit.interrupted._KEPT", timedelta(seconds=-1))
    assert "Nothing is saved yet" not in text(client.get(ADD))


def test_too_much_to_keep_leads_to_the_log_in_alone(client):
    answer = client.post(ADD, {**TYPED, "description": "x" * 600_000})
    assert answer["Location"] == f"/admin/login/?next={ADD}"


@pytest.mark.usefixtures("ada")
def test_a_template_that_was_edited_is_there_again(client):
    template = world.template(name="Greeting", recipient="a@example.com")
    path = f"/settings/notification-templates/{template.pk}/"
    typed = {"do": "save", "name": "Another", "smtp.active": "on", "smtp.subject": "Hello there", "smtp.message": "New"}
    asked = client.post(path, typed)
    log_in(client, asked, next=path)
    shown = text(client.get(path))
    assert "Hello there" in shown
    assert 'value="Another"' in shown
    assert NotificationTemplate.objects.get(pk=template.pk).name == "Greeting"


@pytest.mark.usefixtures("ada")
def test_what_others_saved_meanwhile_is_not_replaced_unseen(client):
    server = world.smtp_server(name="Relay")
    path = f"/settings/notification-server/smtp/{server.pk}/"
    asked = client.post(path, {**TYPED, "seen": "7"})
    log_in(client, asked, next=path)
    assert 'name="seen" value="7"' in text(client.get(path))


@pytest.fixture
def strict(ada):
    """A browser whose tokens are checked, logged in."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    client.cookies["csrftoken"] = "a" * 32
    return client


def test_an_old_token_gets_a_page_of_the_console_that_says_what_to_do_with_the_text_kept(strict):
    answer = strict.post(ADD, {**TYPED, "csrfmiddlewaretoken": "b" * 32}, headers=HERE)
    assert answer.status_code == 403
    assert "This page is out of date" in text(answer)
    assert '<header class="top">' in text(answer)
    assert f'href="{ADD}"' in text(answer)
    shown = text(strict.get(ADD))
    assert 'value="mail.example.com"' in shown
    assert "hunter2" not in shown


def test_what_another_site_posts_is_not_kept(strict):
    for origin in ({"Origin": "https://evil.example"}, {}, {"Origin": "null"}):
        answer = strict.post(ADD, {**TYPED, "csrfmiddlewaretoken": "b" * 32}, headers=origin)
        assert "This page is out of date" in text(answer)
        assert "mail.example.com" not in text(strict.get(ADD))


def test_an_old_token_without_a_session_leads_to_the_log_in_with_the_text(ada):
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    answer = client.post(ADD, {**TYPED, "csrfmiddlewaretoken": "b" * 32}, headers=HERE)
    assert sealed_in(answer)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text(answer))[1]
    assert log_in(client, answer, csrfmiddlewaretoken=token)["Location"] == ADD
    assert 'value="mail.example.com"' in text(client.get(ADD))


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/logout/", "/settings/", "/settings/roles/1/delete/"])
def test_an_old_token_for_anything_else_gets_that_page_too(strict, path):
    answer = strict.post(path, {"csrfmiddlewaretoken": "b" * 32}, headers=HERE)
    assert answer.status_code == 403
    assert "This page is out of date" in text(answer)


def test_every_form_that_is_kept_names_its_secrets(admin_client):
    """By the boxes for passwords on its page."""
    found = {}
    for pattern in patterns(get_resolver()):
        view = getattr(pattern.callback, "view_class", ConsoleView)
        if view.keeps_typed and "pk" not in pattern.pattern.converters and "get" in view.http_method_names:
            page = text(admin_client.get(address(pattern), {"later": "1"}))
            boxes = re.findall(r"<input[^>]*type=\"password\"[^>]*>", page)
            found[pattern.name] = {re.search(r'name="([^"]+)"', box)[1] for box in boxes} - set(view.secrets)
    assert set().union(*found.values()) == set()
    assert len(found) >= 4
