"""Wrong passwords and codes are counted and recorded; nobody locks another out who is known."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone

from console.accounts import hashing, lockout
from foundation.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-9-battery"
LOG_IN, CHANGE = "/admin/login/", "/admin/password_change/"


@pytest.fixture
def ada():
    return User.objects.create_superuser("ada", password=PASSWORD)


def at(address):
    return Client(REMOTE_ADDR=address)


def log_in(client, *, name="ada", password=PASSWORD):
    return client.post(LOG_IN, {"username": name, "password": password})


def fails(*, number, name="ada", address="192.0.2.66", now=None):
    """Failures as they are counted, without the time that hashing takes."""
    request = RequestFactory(REMOTE_ADDR=address).post(LOG_IN)
    return [lockout.note_failure(request, name, now=now or timezone.now()) for _ in range(number)]


def recorded():
    rows = AuditEntry.objects.order_by("id").values_list("action", "actor", "address", "object_name")
    return list(rows)


def test_a_story_of_log_ins_stands_in_the_trail(ada):
    client = at("192.0.2.1")
    log_in(client, password="wrong")
    log_in(client)
    client.post("/admin/logout/")
    log_in(client, name="nobody")
    assert recorded() == [
        ("log-in failed", "ada", "192.0.2.1", "ada"),
        ("log in", "ada", "192.0.2.1", "ada"),
        ("log out", "ada", "192.0.2.1", "ada"),
        ("log-in failed", "nobody", "192.0.2.1", "nobody"),
    ]
    assert AuditEntry.objects.get(action="log in").object_id == str(ada.pk)


def test_an_auditor_reads_who_failed_and_from_where(admin_client, ada):
    log_in(at("192.0.2.1"), password="wrong")
    page = admin_client.get("/audit/?action=log-in+failed").content.decode()
    assert "192.0.2.1" in page
    assert "ada" in page


def test_a_flood_of_failures_leaves_one_entry_for_its_lock_out(ada):
    client = at("192.0.2.1")
    for _ in range(12):
        log_in(client, password="wrong")
    actions = [action for action, *_ in recorded()]
    assert actions == ["log-in failed"] * 5 + ["lock out"]
    assert AuditEntry.objects.get(action="lock out").after["until"] > timezone.now().isoformat()


def test_a_flood_with_many_names_is_stopped_by_its_address():
    now = timezone.now()
    outcomes = [fails(number=1, name=f"n{number}", now=now)[0] for number in range(30)]
    assert [one.is_recorded for one in outcomes] == [True] * 20 + [False] * 10
    assert [bool(one.locked_until) for one in outcomes[:20]] == [False] * 19 + [True]
    assert not lockout.locked_until(RequestFactory(REMOTE_ADDR="192.0.2.67").post(LOG_IN), "n1", now=now)


def test_the_owner_of_an_ipv6_network_is_one_address():
    now = timezone.now()
    for number in range(20):
        fails(number=1, name=f"n{number}", address=f"2001:db8:0:7::{number:x}", now=now)
    request = RequestFactory(REMOTE_ADDR="2001:db8:0:7:ffff::1").post(LOG_IN)
    assert lockout.locked_until(request, "other", now=now)


def test_the_delay_grows_to_a_quarter_of_an_hour():
    now, waits = timezone.now(), []
    for _ in range(10):
        (outcome,) = fails(number=1, now=now)
        waits.append((outcome.locked_until - now).total_seconds() / 60 if outcome.locked_until else 0)
        now = outcome.locked_until or now
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 15, 15]
    assert fails(number=1, now=now + timedelta(days=1, minutes=1)) == [lockout.Outcome(is_recorded=True)]


def test_who_comes_from_another_address_does_not_wait_with_an_attacker_however_long_that_one_goes_on(ada):
    now = timezone.now() - timedelta(days=3)
    for _ in range(300):
        (outcome,) = fails(number=1, now=now)
        now = outcome.locked_until or now
    assert log_in(at("192.0.2.66")).status_code == 429
    assert log_in(at("192.0.2.1")).status_code == 302


def test_guesses_from_many_addresses_are_slowed_down_together(ada):
    known = Client()
    log_in(known)
    known.post("/admin/logout/")
    now = timezone.now()
    outcomes = [fails(number=5, address=f"198.51.100.{number}", now=now) for number in range(20)]
    assert all(each[-1].locked_until for each in outcomes)
    assert not lockout.locked_until(RequestFactory(REMOTE_ADDR="192.0.2.1").post(LOG_IN), "ada", now=now)
    (next_one,) = fails(number=1, address="203.0.113.1", now=now)
    assert next_one.locked_until == now + timedelta(minutes=1)
    assert log_in(at("192.0.2.1")).status_code == 429
    assert log_in(known).status_code == 302


def test_successes_do_not_count_and_do_not_free_an_address(ada):
    now = timezone.now()
    for number in range(19):
        fails(number=1, name=f"n{number}", address="127.0.0.1", now=now)
    client = Client()
    for _ in range(2):
        assert log_in(client).status_code == 302
        client.post("/admin/logout/")
    assert log_in(Client(), name="other", password="wrong").status_code == 429


def test_nobody_locks_out_by_name_whoever_logged_in_before_even_from_the_same_address(ada):
    """Behind a proxy that is not trusted all have one address."""
    known = Client()
    log_in(known)
    known.post("/admin/logout/")
    fails(number=30, address="127.0.0.1")
    for number in range(30):
        fails(number=1, name=f"n{number}", address="127.0.0.1")
    assert log_in(Client()).status_code == 429
    assert log_in(known).status_code == 302


def test_the_mark_of_a_browser_is_for_one_account_and_can_not_be_forged(ada):
    User.objects.create_superuser("bob", password=PASSWORD)
    known = Client()
    log_in(known)
    known.post("/admin/logout/")
    fails(number=5, name="bob", address="127.0.0.1")
    assert log_in(known, name="bob").status_code == 429
    fails(number=5, address="127.0.0.1")
    forged = Client()
    forged.cookies[f"known-{ada.pk}"] = "abc:def:ghi"
    assert log_in(forged).status_code == 429
    marked = known.cookies[f"known-{ada.pk}"]
    assert (marked["httponly"], marked["samesite"], marked["max-age"]) == (True, "Lax", 30 * 86_400)


def test_a_known_browser_can_not_guess_for_long_either(ada):
    known = Client()
    log_in(known)
    known.post("/admin/logout/")
    assert [log_in(known, password="wrong").status_code for _ in range(5)] == [200, 200, 200, 200, 429]
    assert log_in(known).status_code == 429


def test_guesses_at_the_old_password_count(client, ada):
    client.force_login(ada)
    typed = {"old_password": "wrong", "new_password1": PASSWORD + "x", "new_password2": PASSWORD + "x"}
    for _ in range(5):
        client.post(CHANGE, typed)
    refused = client.post(CHANGE, typed | {"old_password": PASSWORD})
    assert "Too many wrong attempts" in refused.content.decode()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert [action for action, *_ in recorded()] == ["log-in failed"] * 5 + ["lock out"]
    assert log_in(Client()).status_code == 302


def test_ones_own_new_password_is_told(client, ada):
    client.force_login(ada)
    typed = {"old_password": PASSWORD, "new_password1": PASSWORD + "x", "new_password2": PASSWORD + "x"}
    assert client.post(CHANGE, typed).status_code == 302
    assert [row[:2] for row in recorded()] == [("password", "ada")]


def test_a_password_by_command_is_told(ada, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda *_args, **_kwargs: PASSWORD + "x")
    call_command("changepassword", "ada")
    assert recorded() == [("password", "changepassword", "", "ada")]


def test_a_superuser_by_command_is_told(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="root", email="root@example.com")
    assert recorded() == [("add", "createsuperuser", "", "root")]
    assert PASSWORD not in str(AuditEntry.objects.get().after)


def test_a_command_ends_each_lock_out(ada):
    fails(number=5, address="127.0.0.1")
    assert log_in(Client()).status_code == 429
    call_command("end_lock_outs")
    assert log_in(Client()).status_code == 302


def test_two_passwords_are_hashed_at_once_and_who_waits_too_long_is_told(ada, monkeypatch):
    monkeypatch.setattr(hashing, "PATIENCE", 0.01)
    monkeypatch.setattr(hashing, "_turns", threading.BoundedSemaphore(hashing.AT_ONCE))
    held = [hashing._turns.acquire() for _ in range(hashing.AT_ONCE)]
    answer = log_in(Client())
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Try again in a moment" in answer.content.decode()
    assert not AuditEntry.objects.exists()
    for _ in held:
        hashing._turns.release()
    assert log_in(Client()).status_code == 302
