"""The console is in one language, whatever a browser asks for."""

import pytest
from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db
GERMAN = {"Accept-Language": "de-DE,de;q=0.9"}


def test_a_browser_that_asks_for_german_gets_no_half_german_page(client):
    asked, plain = client.get("/admin/login/", headers=GERMAN), client.get("/admin/login/")
    assert asked["Content-Language"] == "en"
    words = asked.content.decode()
    assert 'lang="en"' in words
    for label in ("Username", "Password", "Log in"):
        assert label in words
        assert label in plain.content.decode()


def test_what_django_itself_says_is_not_german_either(admin_client):
    User.objects.create_user("ben", is_staff=True)
    page = admin_client.get("/settings/administrators/", headers=GERMAN).content.decode()
    assert "just now" in page or "never" in page
    refused = admin_client.post("/admin/password_change/", {}, headers=GERMAN).content.decode()
    assert "This field is required." in refused
