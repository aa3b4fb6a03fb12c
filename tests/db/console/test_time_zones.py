"""In which zone the console tells times: the profile's, else the browser's, else UTC."""

from datetime import UTC, datetime

import pytest

from console.models import Profile
from foundation.audit import Action, Actor, record
from foundation.models import AuditEntry

pytestmark = pytest.mark.django_db
AT = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)
PROFILE = "/admin/profile/"


@pytest.fixture
def entry(admin_user):
    record(Actor("ada"), action=Action.CHANGE, instance=admin_user)
    AuditEntry.objects.update(at=AT)


def page(client, path="/audit/"):
    return client.get(path).content.decode()


@pytest.mark.usefixtures("entry")
def test_it_is_that_of_the_browser_unless_the_profile_has_another(admin_client):
    assert ">2026-07-01 22:30:15<" in page(admin_client)
    admin_client.cookies["time_zone"] = "Europe/Berlin"
    assert ">2026-07-02 00:30:15<" in page(admin_client)
    assert "As the browser says (Europe/Berlin)" in page(admin_client, PROFILE)
    assert admin_client.post(PROFILE, {"time_zone": "Asia/Kolkata"})["Location"] == PROFILE
    assert ">2026-07-02 04:00:15<" in page(admin_client)
    assert 'title="2026-07-01 22:30:15 UTC"' in page(admin_client)
    assert admin_client.post(PROFILE, {"time_zone": ""}).status_code == 302
    assert ">2026-07-02 00:30:15<" in page(admin_client)
    assert [row.action for row in AuditEntry.objects.filter(object_type="console.profile")] == ["change", "add"]


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize("said", ["Nowhere/Land", "../../etc/passwd", "Europe", "\x00", ""])
def test_what_is_no_zone_is_utc(admin_client, admin_user, said):
    Profile.objects.create(user=admin_user, time_zone="Gone/Zone")
    admin_client.cookies["time_zone"] = said
    assert ">2026-07-01 22:30:15<" in page(admin_client)


def test_a_zone_that_nobody_knows_is_not_stored(admin_client):
    assert admin_client.post(PROFILE, {"time_zone": "Nowhere/Land"}).status_code == 422
    assert not Profile.objects.exists()


@pytest.mark.usefixtures("entry")
def test_the_days_of_a_filter_are_those_of_the_zone(admin_client):
    admin_client.cookies["time_zone"] = "Europe/Berlin"
    assert "22:30:15 UTC" in page(admin_client, "/audit/?since=2026-07-02&until=2026-07-02")
    assert "22:30:15 UTC" not in page(admin_client, "/audit/?since=2026-07-01&until=2026-07-01")
