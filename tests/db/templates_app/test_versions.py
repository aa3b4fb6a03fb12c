"""Versions: each save is one, old ones stay, predefined templates come back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from msgspec import structs

from actions.models import Rule
from foundation.sql.statements import result_of
from templates_app import edits, queries
from templates_app.models import NotificationTemplate, TemplateVersion
from templates_app.texts import predefined
from templates_app.texts.content import Channel, Content, Wording
from templates_app.texts.install import install
from templates_app.types import BY_CODE, TYPES
from tests.db.world import NOW
from transports.types import ChannelKind

pytestmark = pytest.mark.django_db


def content(message="hello", *, active=True):
    texts = (Wording(message=message), Wording("de", message="hallo"))
    return Content(
        (
            Channel(
                ChannelKind.SMTP, recipient="${user.mail}", sender="Desk", wordings=(Wording("", "s", "m", "<p>"),)
            ),
            Channel(ChannelKind.SMS, active=active, recipient="${user.mobile}", wordings=texts),
            Channel(ChannelKind.SECURE_HUB, sound="Casino"),
        )
    )


@pytest.fixture
def template():
    return NotificationTemplate.objects.create(name="Mine", type="device.jailbroken")


def stored(name):
    return NotificationTemplate.objects.select_related("current").get(name=name)


def test_what_is_saved_is_read_back(template):
    author = get_user_model().objects.create(username="admin")
    version = edits.save(template, content(), author=author, note="first")
    assert edits.content_of(version) == content()
    assert (version.number, version.author, version.note) == (1, author, "first")
    assert stored("Mine").current == template.current == version


def test_channels_are_read_in_their_order_however_they_were_saved(template):
    backwards = Content(tuple(reversed(content().channels)))
    assert edits.content_of(edits.save(template, backwards)) == content()


def test_an_older_version_stays_as_it_was(template):
    first = edits.save(template, content("one"))
    second = edits.save(template, content("two"))
    assert (second.number, template.current) == (2, second)
    assert edits.content_of(TemplateVersion.objects.get(pk=first.pk)) == content("one")


def test_a_save_that_changes_nothing_makes_no_version(template):
    first = edits.save(template, content())
    assert edits.save(template, content()) == first
    assert template.versions.count() == 1


def test_a_roll_back_is_a_new_version_of_the_old_content(template):
    edits.save(template, content("one"))
    edits.save(template, content("two"))
    version = edits.roll_back(template, number=1, author=None)
    assert (version.number, version.note) == (3, "Rolled back to version 1")
    assert edits.content_of(stored("Mine").current) == content("one")
    with pytest.raises(TemplateVersion.DoesNotExist):
        edits.roll_back(template, number=9, author=None)


def test_a_version_is_read_from_the_database_once(template, django_assert_num_queries):
    version = edits.save(template, content())
    edits.content_of(version)
    with django_assert_num_queries(0):
        edits.content_of(TemplateVersion(pk=version.pk, created_at=version.created_at))


def test_reset_brings_the_predefined_text_back():
    template = stored("Device Wiped")
    edits.save(template, content())
    version = edits.reset(template, author=None)
    assert edits.content_of(version) == predefined.content(BY_CODE["device.wiped"])
    assert (version.number, version.note) == (3, "Reset to default")


def test_an_own_template_has_no_default(template):
    with pytest.raises(ValidationError, match="Only a predefined template"):
        edits.reset(template, author=None)


def test_a_deleted_template_is_hidden_keeps_its_versions_and_frees_its_name(template):
    edits.save(template, content("one"))
    version = edits.save(template, content("two"))
    edits.delete(template, now=NOW)
    assert not NotificationTemplate.objects.kept().filter(name="Mine").exists()
    assert (result_of(queries.named("Mine")), result_of(queries.named(str(template.uid)))) == (None, None)
    assert names_of(result_of(queries.for_type("device.jailbroken"))) == ["Jailbroken or Rooted Device"]
    assert edits.content_of(TemplateVersion.objects.get(pk=version.pk)) == content("two")
    edits.add(NotificationTemplate(name="Mine", type="device.jailbroken"), content("new"), author=None)
    assert names_of(result_of(queries.for_type("device.jailbroken"))) == ["Mine"]


def test_a_deleted_template_takes_no_further_save(template):
    edits.delete(template, now=NOW)
    with pytest.raises(NotificationTemplate.DoesNotExist):
        edits.save(template, content())
    with pytest.raises(NotificationTemplate.DoesNotExist):
        edits.delete(template, now=NOW)


def test_a_name_can_be_taken_once_among_those_that_are_kept(template):
    with pytest.raises(ValidationError, match="exists already"):
        edits.add(NotificationTemplate(name="Mine", type="device.wiped"), content(), author=None)


def test_a_save_that_is_based_on_an_older_version_is_refused_with_the_newer_one(template):
    first = edits.save(template, content("one"))
    second = edits.save(template, content("two"))
    with pytest.raises(edits.StaleError) as stale:
        edits.change(template, content("three"), fields=(), author=None, base=first.pk)
    assert stale.value.current == second
    edits.change(template, content("two"), fields=(), author=None, base=first.pk)
    assert template.current == second
    assert edits.change(template, content("three"), fields=(), author=None, base=second.pk).number == 3


def names_of(found):
    return [template.name for template in found]


def test_a_predefined_template_is_not_deleted():
    with pytest.raises(ValidationError, match="can't be deleted"):
        edits.delete(stored("Device Wiped"), now=NOW)
    assert stored("Device Wiped").current is not None


def test_a_template_in_use_is_not_deleted_and_keeps_its_text(template):
    version = edits.save(template, content())
    Rule.objects.create(name="r", trigger=Rule.Trigger.EVENT, subject="x", template=template)
    with pytest.raises(ValidationError, match="automated actions"):
        edits.delete(template, now=NOW)
    assert stored("Mine").current == version


def test_every_type_has_its_predefined_template():
    found = NotificationTemplate.objects.filter(predefined=True).select_related("current")
    assert {(template.type, template.name) for template in found} == {(kind.code, kind.name) for kind in TYPES}
    for template in found:
        assert edits.content_of(template.current) == predefined.content(BY_CODE[template.type])
        assert template.description


def test_installing_again_changes_nothing():
    before = list(TemplateVersion.objects.values_list("pk", flat=True))
    install(apps)
    assert list(TemplateVersion.objects.values_list("pk", flat=True)) == before


def test_installing_keeps_what_an_administrator_wrote():
    template = stored("Device Wiped")
    version = edits.save(template, content())
    install(apps)
    assert stored("Device Wiped").current == version


def test_installing_renews_what_nobody_has_changed(monkeypatch):
    new = structs.replace(predefined.TEXTS["device.wiped"], sms="Wiped.")
    monkeypatch.setitem(predefined.TEXTS, "device.wiped", new)
    install(apps)
    current = stored("Device Wiped").current
    assert current.number == 2
    assert edits.content_of(current).channel(ChannelKind.SMS).wording("").message == "Wiped."


def test_installing_gives_way_to_an_own_template_of_the_same_name():
    NotificationTemplate.objects.filter(name="Device Wiped").update(current=None)
    NotificationTemplate.objects.filter(name="Device Wiped").delete()
    NotificationTemplate.objects.create(name="Device Wiped", type="device.wiped")
    install(apps)
    assert stored("Device Wiped (predefined)").predefined
    assert not stored("Device Wiped").predefined


@pytest.mark.parametrize(
    "fields", [{"predefined": True, "type": "device.wiped"}, {"type": "system.apns_certificate_expiring"}]
)
def test_the_database_refuses_a_second_one(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        NotificationTemplate.objects.create(name="Second", **fields)


@pytest.mark.django_db(transaction=True)
def test_saves_at_the_same_time_each_get_a_number():
    template = NotificationTemplate.objects.create(name="Busy", type="device.jailbroken")

    def save(number):
        try:
            return edits.save(NotificationTemplate.objects.get(pk=template.pk), content(f"text {number}")).number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = sorted(pool.map(save, range(8)))
    assert numbers == list(range(1, 9))
    assert stored("Busy").current.number == 8
