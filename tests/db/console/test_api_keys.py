"""Settings > API keys."""

from datetime import timedelta

import pytest
from django.utils import timezone

from api.access import edits, keys
from api.models import ApiKey
from console.accounts.edits import StaleError
from foundation import audit
from foundation.audit import Actor
from foundation.models import AuditEntry

pytestmark = pytest.mark.django_db
PAGE = "/settings/api-keys/"


def text(answer):
    return answer.content.decode()


def add(client, **typed):
    fields = {"name": "Device management", "scopes": ["events", "read"], "lifetime": "30", **typed}
    return client.post(f"{PAGE}add/", fields)


def test_a_key_is_shown_once_works_and_stands_in_the_trail_without_its_words(admin_client):
    answer = add(admin_client)
    words = answer.context["words"]
    assert words in text(answer)
    assert "no-store" in answer["Cache-Control"]
    assert keys.check(words, now=timezone.now()).scopes == {"events", "read"}
    assert words not in text(admin_client.get(PAGE))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_name) == ("add", "Device management")
    assert words.split("_", 2)[2] not in str(entry.after)


def test_a_key_expires_when_it_was_said_to(admin_client):
    add(admin_client)
    left = ApiKey.objects.get().expires_at - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)
    add(admin_client, name="Forever", lifetime="")
    assert ApiKey.objects.get(name="Forever").expires_at is None


def test_a_revoked_key_is_refused_and_stays_in_the_list(admin_client):
    words = add(admin_client).context["words"]
    key = ApiKey.objects.get()
    assert admin_client.post(f"{PAGE}{key.pk}/revoke/").status_code == 302
    assert keys.check(words, now=timezone.now()) is None
    assert "Revoked" in text(admin_client.get(PAGE))
    assert AuditEntry.objects.first().action == "revoke"


def test_a_name_is_taken_once(admin_client):
    add(admin_client)
    assert add(admin_client).status_code == 422
    assert ApiKey.objects.count() == 1


def test_the_list_says_how_much_a_key_may_post_and_to_whom(admin_client):
    add(admin_client)
    shown = text(admin_client.get(PAGE))
    assert "1,000 a second" in shown
    assert "50,000 after a pause" in shown
    assert "known recipients only" not in shown
    ApiKey.objects.update(rate_limit=0, known_recipients_only=True)
    shown = text(admin_client.get(PAGE))
    assert "Any number" in shown
    assert "known recipients only" in shown


@pytest.fixture
def key():
    """A key that was in use, with the address of its page."""
    keys.create("Device management", scopes=[keys.ApiScope.EVENTS])
    ApiKey.objects.update(tokens=7, tokens_at=timezone.now())
    made = ApiKey.objects.get()
    return made, f"{PAGE}{made.pk}/"


def test_what_a_key_may_post_is_changed_and_stands_in_the_trail(admin_client, key):
    made, page = key
    shown = admin_client.get(page).context
    assert f'href="{page}"' in text(admin_client.get(PAGE))
    typed = {"rate_limit": "5", "burst": "20", "known_recipients_only": "on", "seen": shown["seen"]}
    ApiKey.objects.update(tokens=3)  # it goes on being used
    assert admin_client.post(page, typed).status_code == 302
    now = ApiKey.objects.get()
    assert (now.rate_limit, now.burst, now.known_recipients_only, now.tokens) == (5, 20, True, 3)
    assert (now.name, now.scopes, now.digest) == (made.name, made.scopes, made.digest)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.object_name) == ("change", "admin", "Device management")
    assert entry.before == {"rate_limit": 1_000, "burst": 50_000, "known_recipients_only": False}
    assert entry.after == {"rate_limit": 5, "burst": 20, "known_recipients_only": True}


def test_a_key_that_changed_since_it_was_read_is_not_changed_by_anybody(key):
    read = ApiKey.objects.get()
    before = audit.snapshot(read)
    edits.revoke_key(key[0], actor=Actor("other"), now=timezone.now())
    read.rate_limit = 5
    with pytest.raises(StaleError):
        edits.change_key(read, groups=None, actor=Actor("one"), before=before)
    assert ApiKey.objects.get().rate_limit == 1_000


def test_a_revoked_key_has_no_page_any_more(admin_client, key):
    edits.revoke_key(key[0], actor=Actor("other"), now=timezone.now())
    assert f'href="{key[1]}"' not in text(admin_client.get(PAGE))
    assert admin_client.get(key[1]).status_code == 404
