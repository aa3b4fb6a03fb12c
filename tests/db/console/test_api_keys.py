"""Settings > API keys."""

from datetime import timedelta

import pytest
from django.utils import timezone

from api.access import keys
from api.models import ApiKey
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


@pytest.mark.parametrize("typed", [{"name": ""}, {"scopes": []}, {"scopes": ["root"]}, {"lifetime": "-1"}])
def test_a_bad_form_makes_no_key(admin_client, typed):
    assert add(admin_client, **typed).status_code == 422
    assert not ApiKey.objects.exists()


def test_a_name_is_taken_once(admin_client):
    add(admin_client)
    assert add(admin_client).status_code == 422
    assert ApiKey.objects.count() == 1


def test_the_list_says_how_much_a_key_may_post_and_to_whom(admin_client):
    add(admin_client)
    assert "1,000 a second, 50,000 after a pause" in text(admin_client.get(PAGE))
