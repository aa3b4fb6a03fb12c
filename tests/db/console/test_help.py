"""Each page leads to its help, which the console shows by itself."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("page", "help_page"),
    [
        ("/settings/notification-server/", "/help/smtp-test-configuration/"),
        ("/settings/notification-server/sms/add/", "/help/sms-test-configuration/"),
        ("/settings/health/", "/help/retries/#when-a-server-is-in-trouble"),
        ("/admin/profile/", "/help/"),
    ],
)
def test_a_page_links_to_its_chapter_or_to_all(admin_client, page, help_page):
    assert f'href="{help_page}"' in admin_client.get(page).content.decode()
    assert admin_client.get(help_page.partition("#")[0]).status_code == 200


def test_the_list_leads_to_each_chapter_once(admin_client):
    page = admin_client.get("/help/").content.decode()
    for name in ("macros", "retries", "decisions-retention"):
        assert page.count(f'href="/help/{name}/"') == 1


@pytest.mark.parametrize("name", ["nothing", "settings-py", "README"])
def test_what_is_no_chapter_is_not_there(admin_client, name):
    assert admin_client.get(f"/help/{name}/").status_code == 404


def test_a_stranger_logs_in_first(client):
    assert client.get("/help/macros/")["Location"] == "/admin/login/?next=/help/macros/"
