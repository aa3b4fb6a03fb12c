"""Log-in: lock-out, second factor, sessions, and the password asked again."""

import re
from base64 import b32decode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from console.accounts import roles, second_factor
from console.kit import confirmation
from console.models import Failures, SecondFactor
from foundation.models import AuditEntry
from tests.db import world
from tests.db.console.test_every_page import patterns

pytestmark = pytest.mark.django_db
LOG_IN, CODE, FACTOR = "/admin/login/", "/admin/login/code/", "/admin/second_factor/"
PASSWORD = "correct-horse-9"


@pytest.fixture
def ada():
    return User.objects.create_superuser("ada", password=PASSWORD)


def text(answer):
    return answer.content.decode()


def log_in(client, *, name="ada", password=PASSWORD, **fields):
    return client.post(LOG_IN, {"username": name, "password": password, **fields})


def is_in(client):
    return client.get("/settings/about/").status_code == 200


def code_of(secret, *, at=None):
    moment = int((at or timezone.now()).timestamp())
    return TOTP(b32decode(secret), 6, SHA1(), 30).generate(moment).decode()


def switch_on(client):
    """By the page, as a person does; answers the key and the recovery codes."""
    secret = re.search(r"<dd class=\"mono\">\s*([A-Z2-7 ]+?)\s*</dd>", text(client.get(FACTOR)))[1].replace(" ", "")
    page = text(client.post(FACTOR, {"do": "on", "code": code_of(secret)}))
    return secret, re.findall(r"<li>([a-z2-7-]{19})</li>", page)


def forget_steps():
    """As if the codes that were used lay long ago."""
    SecondFactor.objects.update(last_step=-1, failures=0, blocked_until=None)


def test_five_wrong_passwords_lock_out_for_a_while(client, ada):
    for _ in range(4):
        assert log_in(client, password="wrong").status_code == 200
    assert log_in(client, password="wrong").status_code == 429
    refused = log_in(client)
    assert (refused.status_code, "Too many wrong" in text(refused), 'value="ada"' in text(refused)) == (429, True, True)
    waited()
    assert log_in(client)["Location"] == "/admin/"


def test_a_lock_out_is_of_one_account_at_one_address(client, ada):
    User.objects.create_superuser("bob", password=PASSWORD)
    for _ in range(6):
        log_in(client, password="wrong")
    assert log_in(client, name="bob").status_code == 302
    assert log_in(client).status_code == 429
    assert log_in(Client(REMOTE_ADDR="192.0.2.1")).status_code == 302


def waited():
    """As if whatever locks out lay just behind."""
    Failures.objects.filter(locked_until__isnull=False).update(locked_until=timezone.now())


def test_a_right_password_forgives_the_wrong_ones_before(client, ada):
    for _ in range(3):
        for _ in range(4):
            log_in(client, password="wrong")
        assert log_in(client).status_code == 302
        client.post("/admin/logout/")


def test_no_password_is_kept_of_a_failed_log_in(client, ada):
    log_in(client, password="almost-right")
    kept = [*AuditEntry.objects.values_list(), *Failures.objects.values_list()]
    assert "almost-right" not in str(kept)
    assert len(kept) == 4


def test_a_second_factor_is_asked_after_the_password_and_each_code_counts_once(client, ada):
    log_in(client)
    secret, codes = switch_on(client)
    assert len(codes) == 10
    client.post("/admin/logout/")
    forget_steps()
    assert log_in(client, next="/audit/")["Location"] == CODE
    assert not is_in(client)
    code = code_of(secret)
    assert client.post(CODE, {"code": code})["Location"] == "/audit/"
    assert is_in(client)
    client.post("/admin/logout/")
    log_in(client)
    assert "not right, or it was used already" in text(client.post(CODE, {"code": code}))
    assert client.post(CODE, {"code": codes[0]}).status_code == 302
    assert is_in(client)
    client.post("/admin/logout/")
    log_in(client)
    assert client.post(CODE, {"code": codes[0]}).status_code == 422
    assert client.post(CODE, {"code": codes[1].replace("-", " ").upper()}).status_code == 302


def test_the_code_page_is_for_those_whose_password_was_right_a_moment_ago(client, ada):
    assert client.get(CODE)["Location"] == LOG_IN
    log_in(client)
    switch_on(client)
    client.post("/admin/logout/")
    log_in(client)
    assert client.get(CODE).status_code == 200
    ada.refresh_from_db()
    ada.set_password("another-horse-9")
    ada.save()
    assert client.get(CODE)["Location"] == LOG_IN


def test_wrong_codes_lock_out_like_wrong_passwords(client, ada):
    log_in(client)
    secret, _codes = switch_on(client)
    client.post("/admin/logout/")
    log_in(client)
    statuses = [client.post(CODE, {"code": "000000"}).status_code for _ in range(5)]
    assert statuses == [422, 422, 422, 422, 429]
    forget_steps()
    assert client.post(CODE, {"code": code_of(secret)}).status_code == 429
    assert not is_in(client)


def test_after_wrong_codes_even_a_right_one_waits_longer_each_time(ada):
    now = timezone.now()
    secret = second_factor.new_secret()
    second_factor.turn_on(ada, secret=secret, code=code_of(secret, at=now), now=now)
    waits = []
    for _ in range(14):
        assert not second_factor.verify(ada, "000000", now=now)
        until = SecondFactor.objects.get().blocked_until
        waits.append((until - now).total_seconds())
        now = max(now, until)
    assert waits[:5] == [0, 0, 2, 4, 8]
    assert waits[-1] == 900
    assert not second_factor.verify(ada, code_of(secret, at=now), now=now - timedelta(seconds=1))
    assert second_factor.verify(ada, code_of(secret, at=now), now=now)


@pytest.mark.parametrize(("seconds", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_differ_by_one_step(ada, seconds, taken):
    secret = second_factor.new_secret()
    now = timezone.now()
    code = code_of(secret, at=now + timedelta(seconds=seconds))
    assert bool(second_factor.turn_on(ada, secret=secret, code=code, now=now)) == taken


def test_codes_are_those_of_rfc_6238():
    secret = second_factor.b32encode(b"12345678901234567890").decode()
    assert (
        code_of(secret, at=timezone.datetime.fromtimestamp(1111111109, tz=timezone.get_default_timezone())) == "081804"
    )


def test_neither_key_nor_recovery_codes_are_stored_or_told_in_the_clear(client, ada):
    log_in(client)
    secret, codes = switch_on(client)
    row = SecondFactor.objects.get()
    stored = (
        f"{row.secret.sealed} {row.recovery} {dict(client.session)} {list(AuditEntry.objects.values_list('after'))}"
    )
    assert secret not in stored
    assert codes[0] not in stored
    assert secret not in text(client.get(FACTOR))
    assert AuditEntry.objects.latest("id").object_type == "console.secondfactor"


def test_a_mistyped_code_keeps_the_key_that_the_app_has_read(client, ada):
    log_in(client)
    before = client.get(FACTOR).context["key"]
    refused = client.post(FACTOR, {"do": "on", "code": "12"})
    assert (refused.status_code, refused.context["key"]) == (422, before)


def test_new_recovery_codes_replace_the_old_and_switching_off_ends_the_question(client, ada):
    log_in(client)
    _secret, old = switch_on(client)
    page = text(client.post(FACTOR, {"do": "codes"}))
    new = re.findall(r"<li>([a-z2-7-]{19})</li>", page)
    assert len(set(old) | set(new)) == 20
    assert not second_factor.verify(ada, old[0], now=timezone.now())
    client.post(FACTOR, {"do": "off"})
    client.post("/admin/logout/")
    assert log_in(client)["Location"] == "/admin/"


def test_an_administrator_resets_anothers_second_factor_but_not_a_superusers(client, ada):
    roles.install(apps)
    bob = User.objects.create_user("bob", password=PASSWORD, is_staff=True)
    bob.groups.add(Group.objects.get(name=roles.ADMINISTRATOR))
    eve = User.objects.create_user("eve", password=PASSWORD, is_staff=True)
    for user in (ada, eve):
        SecondFactor.objects.create(user=user, secret="x")
    log_in(client, name="bob")
    assert client.post(f"/settings/administrators/{ada.pk}/second-factor/").status_code == 404
    assert "Reset second factor" in text(client.get(f"/settings/administrators/{eve.pk}/"))
    assert client.post(f"/settings/administrators/{eve.pk}/second-factor/").status_code == 302
    assert list(SecondFactor.objects.values_list("user", flat=True)) == [ada.pk]
    assert AuditEntry.objects.latest("id").actor == "bob"


def test_a_command_resets_it_where_no_other_can(ada, capsys):
    SecondFactor.objects.create(user=ada, secret="x")
    call_command("reset_second_factor", "ada")
    assert not SecondFactor.objects.exists()
    with pytest.raises(Exception, match="no second factor"):
        call_command("reset_second_factor", "ada")


def test_other_sessions_end_when_the_password_changes_and_this_one_stays(client, ada):
    other = Client()
    for one in (client, other):
        log_in(one)
    typed = {"old_password": PASSWORD, "new_password1": "another-horse-9", "new_password2": "another-horse-9"}
    assert client.post("/admin/password_change/", typed).status_code == 302
    assert (is_in(client), is_in(other)) == (True, False)


def later(client):
    """As if the password was given eleven minutes ago."""
    session = client.session
    session["console.password_at"] = timezone.now().timestamp() - 660
    session.save()


def held(answer):
    assert answer.status_code == 422
    return re.search(r'name="held" value="([^"]+)"', text(answer))[1]


def test_the_password_is_asked_again_and_nothing_that_was_typed_is_lost(client, ada):
    log_in(client)
    later(client)
    typed = {
        "username": "eve",
        "password1": "secret-typed-7",
        "password2": "secret-typed-7",
        "groups": [],
        "email": "e@x.org",
    }
    asked = client.post("/settings/administrators/add/", typed)
    kept = held(asked)
    assert not User.objects.filter(username="eve").exists()
    assert "secret-typed-7" not in text(asked)
    wrong = client.post("/settings/administrators/add/", {"held": kept, "own_password": "no"})
    assert held(wrong) == kept
    assert not User.objects.filter(username="eve").exists()
    assert client.post("/settings/administrators/add/", {"held": kept, "own_password": PASSWORD}).status_code == 302
    eve = User.objects.get(username="eve")
    assert (eve.email, eve.check_password("secret-typed-7")) == ("e@x.org", True)
    assert client.post(f"/settings/administrators/{eve.pk}/delete/").status_code == 302


def test_what_waits_is_for_one_user_one_page_and_one_hour(client, ada, monkeypatch):
    User.objects.create_superuser("bob", password=PASSWORD)
    log_in(client)
    later(client)
    kept = held(client.post("/settings/roles/add/", {"name": "Helpdesk"}))
    other = Client()
    log_in(other, name="bob")
    for who, path in ((other, "/settings/roles/add/"), (client, "/settings/api-keys/add/")):
        assert held(who.post(path, {"held": kept, "own_password": PASSWORD}))
    assert held(client.post("/settings/roles/add/", {"held": "forged", "own_password": PASSWORD}))
    monkeypatch.setattr(confirmation, "_KEPT", timedelta())
    assert held(client.post("/settings/roles/add/", {"held": kept, "own_password": PASSWORD}))
    assert not Group.objects.filter(name="Helpdesk").exists()


def test_a_stolen_session_can_not_guess_the_password_for_long(client, ada):
    log_in(client)
    later(client)
    kept = held(client.post("/settings/roles/add/", {"name": "Helpdesk"}))
    answers = [client.post("/settings/roles/add/", {"held": kept, "own_password": "no"}).status_code for _ in range(5)]
    assert answers == [422, 422, 422, 422, 429]
    assert client.post("/settings/roles/add/", {"held": kept, "own_password": PASSWORD}).status_code == 429


def test_a_server_form_keeps_its_typed_secret_while_the_password_is_asked(client, ada):
    server = world.smtp_server(authentication=True, username="relay", password="old")
    log_in(client)
    later(client)
    form = client.get(f"/settings/notification-server/smtp/{server.pk}/").context["form"]
    shown = {name: form[name].value() for name in form.fields}
    typed = {name: value for name, value in shown.items() if value is not None and value is not False}
    url = f"/settings/notification-server/smtp/{server.pk}/"
    kept = held(client.post(url, {**typed, "password": "new-relay-secret"}))
    answer = client.post(url, {"held": kept, "own_password": PASSWORD})
    assert answer.status_code == 302, answer.context["form"].errors
    server.refresh_from_db()
    assert server.password.reveal() == "new-relay-secret"


def test_what_changes_secrets_keys_administrators_and_roles_asks():
    asking = {pattern.name for pattern in patterns() if getattr(pattern.callback.view_class, "asks_password", False)}
    assert asking >= {
        "administrator-add",
        "administrator",
        "administrator-password",
        "administrator-second-factor",
        "administrator-delete",
        "role-add",
        "role",
        "role-delete",
        "api-key-add",
        "api-key",
        "api-key-revoke",
        "smtp-server-add",
        "smtp-server",
        "sms-gateway-add",
        "sms-gateway",
    }


@pytest.mark.parametrize("name", ["x" * 151, "x" * 256, "x" * 10_000, "ä" * 256, "ada\u200b", "\u202eada", "ada\x7f"])
@pytest.mark.parametrize("path", [LOG_IN, LOG_IN + "?next=/" + "x" * 3_000, LOG_IN + "?a=%00&b=%ED%A0%80"])
def test_a_name_that_nobody_can_have_gets_the_usual_words(client, ada, name, path):
    usual = client.post(LOG_IN, {"username": "nobody", "password": "wrong"})
    answer = client.post(path, {"username": name, "password": PASSWORD}, headers={"User-Agent": "x" * 3_000})
    assert (answer.status_code, usual.status_code) == (200, 200)
    words = "Please enter the correct username and password"
    assert words in text(answer)
    assert words in text(usual)


@pytest.mark.parametrize(
    "fields", [{"name": "a\0b"}, {"password": "x\0"}, {"password": "x" * 100_000}, {"name": "", "password": ""}]
)
def test_nothing_typed_at_the_log_in_is_a_fault(client, ada, fields):
    assert log_in(client, **fields).status_code == 200


@pytest.mark.parametrize("code", ["1" * 41, "\0", "\u200b", "\u0661\u0662\u0663\u0664\u0665\u0666", "x" * 100_000])
def test_nothing_typed_as_a_code_is_a_fault(client, ada, code):
    client.force_login(ada)
    switch_on(client)
    client.logout()
    log_in(client)
    assert client.post(CODE, {"code": code}).status_code == 422
