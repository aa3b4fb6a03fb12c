"""Versions: each save is one, old ones stay, predefined templates come back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from msgspec import structs

from foundation.audit import Actor
from foundation.sql.statements import result_of
from servers.models import SmsGateway
from templates_app import edits, queries
from templates_app.install import install, note_resumed
from templates_app.models import NotificationTemplate, TemplateVersion
from templates_app.queries import Turn
from templates_app.texts import predefined
from templates_app.texts.content import Channel, Content, Wording
from templates_app.types import BY_CODE, TYPES
from tests.db import world
from tests.db.world import NOW
from transports.types import ChannelKind

pytestmark = pytest.mark.django_db
PREDEFINED, SMS = "Jailbroken or Rooted Device", ChannelKind.SMS


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


def addressed():
    """For a type without Secure Hub."""
    return Content(content().channels[:2])


ADMIN = Actor("admin")


@pytest.fixture(autouse=True)
def _channels():
    world.smtp_server()
    world.sms_gateway()


@pytest.fixture
def template():
    return NotificationTemplate.objects.create(name="Mine", type="device.jailbroken")


def save(template, wanted, *, base=None):
    """Returns the version; the template of the test goes with it, as it would after a look into the database."""
    template.current = edits.change(template, wanted, values={}, actor=ADMIN, base=base).version
    return template.current


def stored(name):
    return NotificationTemplate.objects.select_related("current").get(name=name)


def test_what_is_saved_is_read_back(template):
    version = save(template, content())
    assert queries.content_of(version) == content()
    assert (version.number, version.saved_by, version.note) == (1, "admin", "")
    assert stored("Mine").current == version


def test_channels_are_read_in_their_order_however_they_were_saved(template):
    backwards = Content(tuple(reversed(content().channels)))
    assert queries.content_of(save(template, backwards)) == content()


def test_an_older_version_stays_as_it_was(template):
    first = save(template, content("one"))
    second = save(template, content("two"))
    assert (second.number, template.current) == (2, second)
    assert queries.content_of(TemplateVersion.objects.get(pk=first.pk)) == content("one")


def test_a_save_that_changes_nothing_makes_no_version(template):
    first = save(template, content())
    assert save(template, content()) == first
    assert template.versions.count() == 1


def test_a_roll_back_is_a_new_version_of_the_old_content(template):
    save(template, content("one"))
    save(template, content("two"))
    version = edits.roll_back(template, number=1, actor=ADMIN, base=None).version
    assert (version.number, version.note) == (3, "Rolled back to version 1")
    assert queries.content_of(stored("Mine").current) == content("one")
    with pytest.raises(TemplateVersion.DoesNotExist):
        edits.roll_back(template, number=9, actor=ADMIN, base=None)


def test_a_roll_back_is_checked_as_a_save_is(template):
    save(template, content("one"))
    save(template, content("two", active=False))
    SmsGateway.objects.update(active=False)
    with pytest.raises(ValidationError) as refused:
        edits.roll_back(template, number=1, actor=ADMIN, base=None)
    assert refused.value.message_dict == {"sms.active": ["Set up an active server for SMS first."]}
    assert template.versions.count() == 2


def test_a_column_that_somebody_else_changed_meanwhile_is_not_replaced_unseen(template):
    save(template, content())
    edits.change(template, None, values={"name": "Theirs"}, actor=ADMIN, base=None)
    seen = {"name": "Mine", "description": ""}
    mine = {"name": "Ours", "description": "New"}
    with pytest.raises(edits.StaleError) as stale:
        edits.change(template, content("two"), values=mine, actor=ADMIN, base=1, seen=seen)
    assert (stale.value.current.number, stale.value.columns) == (1, {"name": "Theirs"})
    assert template.versions.count() == 1
    saved = edits.change(template, None, values=mine, actor=ADMIN, base=1, seen={**seen, "name": "Theirs"})
    assert (saved.template.name, saved.template.description) == ("Ours", "New")


def test_saving_tells_who_is_sent_by_other_channels_than_before():
    mine = NotificationTemplate(name="Mine", type="device.jailbroken")
    added = edits.add(mine, content(), actor=ADMIN).turns
    assert added == (Turn(PREDEFINED, True, (), (SMS,)), Turn("Mine", False, (SMS,), ()))
    changed = edits.change(mine, content(active=False), values={}, actor=ADMIN, base=None).turns
    assert changed == (Turn("Mine", False, (), (SMS,)), Turn(PREDEFINED, True, (SMS,), ()))
    assert edits.change(mine, None, values={"description": "x"}, actor=ADMIN, base=None).turns == ()
    assert edits.roll_back(mine, number=1, actor=ADMIN, base=None).turns == added


def test_a_version_is_read_from_the_database_once(template, django_assert_num_queries):
    version = save(template, content())
    queries.content_of(version)
    with django_assert_num_queries(0):
        queries.content_of(TemplateVersion(pk=version.pk, created_at=version.created_at))


def test_reset_brings_the_predefined_text_back():
    template = stored("Device Wiped")
    save(template, addressed())
    version = edits.reset(template, actor=ADMIN, base=None).version
    assert queries.content_of(version) == predefined.content(BY_CODE["device.wiped"])
    assert (version.number, version.note) == (3, "Reset to default")


def test_an_own_template_has_no_default(template):
    with pytest.raises(ValidationError, match="Only a predefined template"):
        edits.reset(template, actor=ADMIN, base=None)


def test_a_deleted_template_is_hidden_keeps_its_versions_and_frees_its_name(template):
    save(template, content("one"))
    version = save(template, content("two"))
    edits.delete(template, actor=ADMIN, now=NOW)
    assert not NotificationTemplate.objects.kept().filter(name="Mine").exists()
    assert (result_of(queries.named("Mine")), result_of(queries.named(str(template.uid)))) == (None, None)
    assert names_of(result_of(queries.for_type("device.jailbroken"))) == ["Jailbroken or Rooted Device"]
    assert queries.content_of(TemplateVersion.objects.get(pk=version.pk)) == content("two")
    edits.add(NotificationTemplate(name="Mine", type="device.jailbroken"), content("new"), actor=ADMIN)
    assert names_of(result_of(queries.for_type("device.jailbroken"))) == ["Mine", "Jailbroken or Rooted Device"]


def test_a_deleted_template_takes_no_further_save(template):
    edits.delete(template, actor=ADMIN, now=NOW)
    with pytest.raises(NotificationTemplate.DoesNotExist):
        save(template, content())
    with pytest.raises(NotificationTemplate.DoesNotExist):
        edits.delete(template, actor=ADMIN, now=NOW)


def test_a_name_can_be_taken_once_among_those_that_are_kept(template):
    with pytest.raises(ValidationError, match="exists already"):
        edits.add(NotificationTemplate(name="Mine", type="device.wiped"), addressed(), actor=ADMIN)


def test_a_save_that_is_based_on_an_older_version_is_refused_with_the_newer_one(template):
    first = save(template, content("one"))
    second = save(template, content("two"))
    with pytest.raises(edits.StaleError) as stale:
        save(template, content("three"), base=first.number)
    assert stale.value.current == second
    assert save(template, content("two"), base=first.number) == second
    assert save(template, content("three"), base=second.number).number == 3


def names_of(found):
    return [template.name for template in found]


def test_a_predefined_template_is_not_deleted():
    with pytest.raises(ValidationError, match="can't be deleted"):
        edits.delete(stored("Device Wiped"), actor=ADMIN, now=NOW)
    assert stored("Device Wiped").current is not None


def test_every_type_has_its_predefined_template():
    found = NotificationTemplate.objects.filter(predefined=True).select_related("current")
    assert {(template.type, template.name) for template in found} == {(kind.code, kind.name) for kind in TYPES}
    for template in found:
        assert queries.content_of(template.current) == predefined.content(BY_CODE[template.type])
        assert template.description


def test_installing_again_changes_nothing():
    before = list(TemplateVersion.objects.values_list("pk", flat=True))
    install(apps)
    assert list(TemplateVersion.objects.values_list("pk", flat=True)) == before


def test_installing_keeps_what_an_administrator_wrote():
    template = stored("Device Wiped")
    version = save(template, addressed())
    install(apps)
    assert stored("Device Wiped").current == version


def test_installing_renews_what_nobody_has_changed(monkeypatch):
    new = structs.replace(predefined.TEXTS["device.wiped"], sms="Wiped.")
    monkeypatch.setitem(predefined.TEXTS, "device.wiped", new)
    install(apps)
    current = stored("Device Wiped").current
    assert current.number == 2
    assert queries.content_of(current).channel(ChannelKind.SMS).wording("").message == "Wiped."


def test_installing_that_broke_off_leaves_nothing_half_done(monkeypatch):
    NotificationTemplate.objects.update(current=None)
    NotificationTemplate.objects.all().delete()

    def break_off(*_args, **_kwargs):
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr("templates_app.install.store", break_off)
        with pytest.raises(InterruptedError):
            install(apps)
    install(apps)
    assert NotificationTemplate.objects.filter(current__isnull=False).count() == len(TYPES)


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

    def one(number):
        try:
            return save(NotificationTemplate.objects.get(pk=template.pk), content(f"text {number}")).number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = sorted(pool.map(one, range(8)))
    assert numbers == list(range(1, 9))
    assert stored("Busy").current.number == 8


def test_health_tells_once_which_predefined_templates_an_update_began_to_send_by_further_channels():
    note_resumed(apps)
    assert list(queries.resumed()) == []
    edits.add(NotificationTemplate(name="Mine", type="device.jailbroken"), content(), actor=ADMIN)
    note_resumed(apps)
    row = stored(PREDEFINED)
    assert row.resumed == "secure_hub,smtp"
    assert list(queries.resumed()) == [(row, {ChannelKind.SMTP})]  # no push service is active
    edits.acknowledge(row, actor=ADMIN)
    assert list(queries.resumed()) == []
