"""A stored secret is on disk encrypted and shows itself nowhere."""

import logging

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from foundation import audit
from foundation.models import AuditEntry
from foundation.secrets import MASK, Secret
from servers import edits, factory
from servers.models import SmsGateway, SmtpServer
from servers.sms.kind import SMS
from servers.smtp import channel
from servers.smtp.forms import SmtpServerForm
from servers.smtp.kind import SMTP
from servers.smtp.validators import clean_smtp
from tests.db.world import NOW, smtp_server

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery staple"


@pytest.fixture
def server():
    fields = {"authentication": True, "username": "anna", "password": SECRET, "oauth_client_secret": SECRET}
    return SmtpServer.objects.get(pk=smtp_server(**fields).pk)


def test_the_database_holds_no_word_of_it(server):
    with connection.cursor() as cursor:
        cursor.execute("SELECT password, oauth_client_secret FROM servers_smtpserver")
        columns = cursor.fetchone()
    assert all(column and SECRET not in column and "horse" not in column for column in columns)
    assert columns[0] != columns[1], "equal secrets must not look equal"


@pytest.mark.parametrize(
    "shown",
    [
        lambda server: repr(server.password),
        lambda server: str(server.password),
        lambda server: f"{server.password}",
        lambda server: repr(server.__dict__),
        lambda server: serializers.serialize("json", [server]),
        lambda server: SmtpServerForm(instance=server).as_p(),
        lambda server: repr(SmtpServerForm(instance=server).initial),
        lambda server: repr(channel.config(server)),
        lambda server: repr(channel.config(oauth(server))),
        lambda server: repr(factory.build_channel(server)),
        lambda server: repr(SMTP.prepare_test(server)),
        lambda server: repr(SMS.prepare_test(SmsGateway(key="k", secret=Secret.of(SECRET)))),
    ],
)
def test_it_is_in_no_representation(server, shown):
    assert SECRET not in shown(server)


def oauth(server):
    server.mechanism, server.oauth_token_url = "XOAUTH2", "https://login.example.com/token"
    return server


def test_a_refusal_of_the_validator_does_not_repeat_it(server):
    server.password = SECRET + "\0"
    with pytest.raises(ValidationError) as refused:
        clean_smtp(server)
    assert SECRET not in repr(refused.value)


def test_the_audit_trail_tells_that_it_changed_and_not_to_what(server):
    actor = audit.Actor("admin", User.objects.create(username="admin"))
    server.password = Secret.of("another " + SECRET)
    edits.change(server, kind=SMTP, actor=actor, now=NOW)
    entry = AuditEntry.objects.get()
    assert set(entry.after) == {"password"}
    assert entry.before["password"] == MASK
    assert SECRET not in f"{entry.before}{entry.after}"


def test_no_log_line_holds_it(server, caplog):
    caplog.set_level(logging.DEBUG)
    actor = audit.Actor("admin")
    edits.change(server, kind=SMTP, actor=actor, now=NOW)
    edits.activate(server.pk, actor=actor, now=NOW)
    edits.tested(server.pk, passed=True, now=timezone.now())
    factory.build_channel(server)
    assert SECRET not in caplog.text
