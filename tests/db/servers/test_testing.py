"""Test Configuration: stages as rows, limits, permission, audit, and secrets that stay in memory."""

import json
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core import serializers
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from foundation.audit import Actor
from foundation.models import AuditEntry
from foundation.secrets import Secret
from servers import edits
from servers.forms import UNTESTED
from servers.models import Server, ServerTest, ServerTestStage, SmtpServer
from servers.smtp.forms import SmtpServerForm
from servers.smtp.kind import SMTP
from servers.testing import runs
from servers.testing.runs import Asker, RefusedTestError
from tests import waiting
from tests.db.servers.test_forms import data
from tests.db.world import NOW, smtp_server
from tests.wire.scripted import Peer, Received, honest
from transports.smtp import testing

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "correct horse battery staple"
TO = "anna@example.org"


@pytest.fixture
def asker():
    user = User.objects.create(username="admin")
    user.user_permissions.add(Permission.objects.get(codename="change_server"))
    return Asker.of(user, address="192.0.2.7")


def run(server, asker, *, to=TO, now=None):
    started = runs.start(server, to=to, asker=asker, now=now or timezone.now())
    waiting.for_threads("server-test")
    return ServerTest.objects.get(pk=started.pk)


def save_form(typed, *, instance):
    form = SmtpServerForm(typed, instance=instance)
    assert form.is_valid(), form.errors
    edits.change(form.instance, kind=SMTP, actor=Actor("admin"), now=timezone.now())


def refusing_password():
    return honest(Received(), features=("AUTH PLAIN",), sign_in=lambda talk, line: f"535 5.7.8 not {SECRET}")


def everything_stored():
    models = (ServerTest, ServerTestStage, AuditEntry, Server, SmtpServer)
    return "".join(serializers.serialize("json", model.objects.all()) for model in models)


def test_a_good_server_passes_stage_by_stage_and_the_mail_arrives(asker):
    received = Received()
    with Peer(honest(received)) as peer:
        server = smtp_server(port=peer.port)
        found = run(server, asker)
    names = [stage.name for stage in found.stages.all()]
    assert names == ["resolve", "connect", "banner", "ehlo", "sender", "recipient", "data", "accepted"]
    assert all(stage.ok for stage in found.stages.all())
    assert found.passed is True
    assert found.finished_at is not None
    ((recipients, mail),) = received.mails
    assert recipients == (TO,)
    assert f"<{found.pk}@example.com>" in mail.decode()
    server.refresh_from_db()
    assert (server.last_test_passed, server.last_test_at) == (True, found.finished_at)


def test_a_refused_password_is_told_at_its_stage_and_stored_nowhere(asker):
    with Peer(refusing_password()) as peer:
        server = smtp_server(port=peer.port, authentication=True, username="anna")
        server.password = Secret.of(SECRET)
        found = run(server, asker)
        assert peer.connections == 1
    stage = found.stages.last()
    assert (stage.name, stage.ok, stage.code) == ("authenticate", False, "credentials_refused")
    assert stage.cause
    assert stage.hint
    assert found.passed is False
    assert SECRET not in everything_stored()


def test_it_is_audited_with_target_and_asker(asker):
    with Peer(honest(Received())) as peer:
        server = smtp_server(port=peer.port, password=SECRET)
        run(server, asker)
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.actor, entry.action, entry.address) == (asker.user, "admin", "test", "192.0.2.7")
    assert (entry.object_id, entry.object_name) == (str(server.pk), "Mail")
    assert entry.after == {"host": "127.0.0.1", "port": peer.port, "security": "none", "to": TO}
    assert SECRET not in json.dumps(entry.before | entry.after)


def test_unsaved_values_are_tested_and_say_nothing_of_the_stored_ones(asker):
    stored = smtp_server(port=1, stopped_at=NOW)
    with Peer(honest(Received())) as peer:
        form = SmtpServerForm(data(host="127.0.0.1", port=peer.port), instance=stored)
        assert form.is_valid(), form.errors
        assert run(form.instance, asker).passed
    kept = SmtpServer.objects.get()
    assert (kept.port, kept.stopped_at, kept.last_test_at) == (1, NOW, None)


def test_a_test_of_values_that_are_saved_while_it_runs_lets_the_server_send_again(asker):
    """They need not be those that were stored when it began."""
    stored = smtp_server(port=1, stopped_at=NOW)
    saved = threading.Event()
    with Peer(honest(Received(), answers={"MAIL": lambda _line: saved.wait(10) and ""})) as peer:
        form = SmtpServerForm(data(host="127.0.0.1", port=peer.port), instance=SmtpServer.objects.get(pk=stored.pk))
        assert form.is_valid(), form.errors
        runs.start(form.instance, to="anna@example.org", asker=asker, now=timezone.now())
        save_form(data(host="127.0.0.1", port=peer.port), instance=SmtpServer.objects.get(pk=stored.pk))
        saved.set()
        waiting.for_threads("server-test")
    kept = SmtpServer.objects.get()
    assert (kept.stopped_at, kept.paused_until, kept.last_test_passed) == (None, None, True)


def test_a_server_without_a_name_can_be_tested_before_it_is_stored(asker):
    with Peer(honest(Received())) as peer:
        form = SmtpServerForm(data(name="", host="127.0.0.1", port=peer.port))
        assert not form.is_valid()
        assert set(form.errors) <= UNTESTED
        assert run(form.instance, asker).passed
    assert not set(SmtpServerForm(data(name="", host="")).errors) <= UNTESTED
    assert not SmtpServer.objects.exists()


def test_an_empty_password_box_is_tested_with_the_stored_password(asker):
    sign_ins = []
    script = honest(Received(), features=("AUTH PLAIN",), sign_in=lambda talk, line: sign_ins.append(line) or "235 ok")
    with Peer(script) as peer:
        stored = smtp_server(port=peer.port, authentication=True, username="anna", password=SECRET)
        again = {"host": "127.0.0.1", "port": peer.port, "authentication": "on", "username": "anna", "password": ""}
        form = SmtpServerForm(
            data(**again, from_email=stored.from_email), instance=SmtpServer.objects.get(pk=stored.pk)
        )
        assert form.is_valid(), form.errors
        assert run(form.instance, asker).passed
    assert len(sign_ins) == 1
    stored.refresh_from_db()
    assert stored.last_test_passed


@pytest.mark.parametrize("passes", [True, False])
def test_only_a_passed_test_lets_a_stopped_server_send_again(asker, passes):
    with Peer(honest(Received(), answers={} if passes else {"MAIL": "550 no"})) as peer:
        server = smtp_server(port=peer.port, stopped_at=NOW, paused_until=NOW, trouble_code="credentials_refused")
        run(server, asker)
    server.refresh_from_db()
    assert (server.stopped_at is None, server.paused_until is None, server.trouble_code == "") == (passes,) * 3
    assert server.last_test_passed is passes


def test_nobody_tests_without_the_permission_to_change():
    user = User.objects.create(username="auditor")
    user.user_permissions.add(Permission.objects.get(codename="view_server"))
    with Peer(honest(Received())) as peer:
        with pytest.raises(PermissionDenied):
            run(smtp_server(port=peer.port), Asker.of(user))
        assert peer.connections == 0
    assert not ServerTest.objects.exists()


@pytest.mark.parametrize("to", ["", "anna", "anna@example.org\r\nRCPT TO:<x@example.org>", "a@b.example,c@d.example"])
def test_a_recipient_that_is_no_address_is_refused_before_anything_happens(asker, to):
    with pytest.raises(ValidationError) as refused:
        run(smtp_server(), asker, to=to)
    assert list(refused.value.error_dict) == ["to"]
    assert not ServerTest.objects.exists()


def test_a_secret_whose_key_is_lost_is_asked_for_again(asker):
    server = smtp_server(authentication=True, username="anna")
    server.password = Secret("gAAAAABnot-our-key")
    with pytest.raises(ValidationError) as refused:
        run(server, asker)
    assert list(refused.value.error_dict) == ["password"]


def test_ten_tests_a_minute_for_each_who_asks(asker):
    with Peer(honest(Received())) as peer:
        server = smtp_server(port=peer.port)
        now = timezone.now()
        for _ in range(runs.A_MINUTE):
            run(server, asker, now=now)
        with pytest.raises(RefusedTestError) as refused:
            run(server, asker, now=now)
        assert refused.value.code == "too_many"
        assert peer.connections == runs.A_MINUTE
        run(server, Asker("key:abcd", "Integration"), now=now)
        run(server, asker, now=now + timedelta(minutes=1))
        assert peer.connections == runs.A_MINUTE + 2


def test_four_at_once_and_a_fifth_is_told_to_wait(asker):
    go_on = threading.Event()

    def banner(_line):
        assert go_on.wait(waiting.PATIENCE)
        return "220 here I am"

    with Peer(honest(Received(), answers={"BANNER": banner})) as peer:
        server = smtp_server(port=peer.port)
        for _ in range(runs.AT_ONCE):
            runs.start(server, to=TO, asker=asker, now=timezone.now())
        with pytest.raises(RefusedTestError) as refused:
            runs.start(server, to=TO, asker=asker, now=timezone.now())
        go_on.set()
        waiting.for_threads("server-test")
        assert refused.value.code == "busy"
        assert set(ServerTest.objects.values_list("passed", flat=True)) == {True}
        assert ServerTest.objects.count() == runs.AT_ONCE
        assert run(server, asker).passed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_ends_the_test_and_frees_its_place(asker, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("a bug")
        yield

    server = smtp_server()
    with monkeypatch.context() as patched:
        patched.setattr(testing, "run", broken)
        for _ in range(runs.AT_ONCE + 1):
            found = run(server, asker)
            assert (found.passed, found.finished_at is None) == (False, False)
    with Peer(honest(Received())) as peer:
        assert run(smtp_server(name="other", port=peer.port, active=False), asker).passed


def test_a_test_whose_process_died_is_seen_as_lost():
    test = ServerTest(started_at=NOW, ends_by=NOW + timedelta(minutes=5))
    assert not runs.is_lost(test, now=NOW + timedelta(minutes=5))
    assert runs.is_lost(test, now=NOW + timedelta(minutes=6))
    test.finished_at = NOW
    assert not runs.is_lost(test, now=NOW + timedelta(minutes=6))


def test_old_tests_are_forgotten_when_a_new_one_begins(asker):
    with Peer(honest(Received())) as peer:
        server = smtp_server(port=peer.port)
        now = timezone.now()
        run(server, asker, now=now - runs.KEPT - timedelta(hours=1))
        run(server, asker, now=now)
    assert ServerTest.objects.count() == 1


def test_what_no_database_takes_is_left_out_of_a_peers_words(asker):
    with Peer(honest(Received(), answers={"MAIL": "550 5.7.1 no\0pe"})) as peer:
        found = run(smtp_server(port=peer.port), asker)
    assert "no" in found.stages.last().detail
    assert "\0" not in found.stages.last().detail


ASKER = Asker("key:abcd", "Integration")


def new_server(port, **changes):
    form = SmtpServerForm(data(host="127.0.0.1", port=port, **changes))
    assert form.is_valid(), form.errors
    return form.instance


def stored_after(server, *, actor=ASKER.actor):
    edits.create(server, kind=SMTP, actor=Actor("admin"))
    runs.adopt(server, actor=actor)
    return SmtpServer.objects.get()


@pytest.mark.parametrize("passes", [True, False])
def test_a_test_of_the_same_settings_before_a_server_is_added_is_its_last_test(passes):
    with Peer(honest(Received(), answers={} if passes else {"MAIL": "550 no"})) as peer:
        found = run(new_server(peer.port), ASKER)
        kept = stored_after(new_server(peer.port))
    assert (kept.last_test_passed, kept.last_test_at) == (passes, found.finished_at)
    assert ServerTest.objects.get().server_id == kept.pk


def test_one_that_still_runs_when_the_server_is_added_counts_at_its_end():
    added = threading.Event()
    with Peer(honest(Received(), answers={"MAIL": lambda _line: added.wait(10) and ""})) as peer:
        runs.start(new_server(peer.port), to=TO, asker=ASKER, now=timezone.now())
        assert stored_after(new_server(peer.port)).last_test_at is None
        added.set()
        waiting.for_threads("server-test")
    assert SmtpServer.objects.get().last_test_passed


@pytest.mark.parametrize("other", ["password", "actor"])
def test_a_test_of_another_password_or_by_somebody_else_is_not_the_new_servers(other):
    script = honest(Received(), features=("AUTH PLAIN",), sign_in=lambda talk, line: "235 ok")
    signed_in = {"authentication": "on", "username": "anna"}
    with Peer(script) as peer:
        run(new_server(peer.port, password=SECRET, **signed_in), ASKER)
        word = "another" if other == "password" else SECRET
        server = new_server(peer.port, password=word, **signed_in)
        kept = stored_after(server, actor="user:7" if other == "actor" else ASKER.actor)
    assert kept.last_test_at is None
    assert SECRET not in everything_stored()


def changed_after_a_test(stored, *, port):
    """Its form with another port, tested first, then stored."""
    typed = data(host="127.0.0.1", port=port)
    form = SmtpServerForm(typed, instance=SmtpServer.objects.get(pk=stored.pk))
    assert form.is_valid(), form.errors
    found = run(form.instance, ASKER)
    save_form(typed, instance=SmtpServer.objects.get(pk=stored.pk))
    runs.adopt(SmtpServer.objects.get(pk=stored.pk), actor=ASKER.actor)
    return found, SmtpServer.objects.get(pk=stored.pk)


def test_a_test_that_passed_before_saving_lets_a_stopped_server_send_again():
    stored = smtp_server(port=1, stopped_at=NOW, troubled_at=NOW, last_test_at=NOW, last_test_passed=False)
    with Peer(honest(Received())) as peer:
        found, kept = changed_after_a_test(stored, port=peer.port)
    assert (kept.last_test_passed, kept.last_test_at) == (True, found.finished_at)
    assert (kept.stopped_at, kept.troubled_at) == (None, None)


def test_a_test_from_before_the_trouble_does_not_let_a_server_send_again():
    with Peer(honest(Received())) as peer:
        found, kept = changed_after_a_test(smtp_server(port=1), port=peer.port)
    later = found.finished_at + timedelta(hours=1)
    SmtpServer.objects.update(stopped_at=later, troubled_at=later, last_test_at=None)
    runs.adopt(SmtpServer.objects.get(pk=kept.pk), actor=ASKER.actor)
    assert SmtpServer.objects.get().stopped_at == later
