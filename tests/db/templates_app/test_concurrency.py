"""Two people who save one template at the same moment: each sees what the other stored."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from foundation.audit import Actor
from foundation.models import AuditEntry
from templates_app import edits
from templates_app.models import NotificationTemplate
from tests import waiting
from tests.db import world
from tests.db.templates_app.test_versions import content

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one lock for all that is written"
)


@pytest.fixture
def template():
    world.smtp_server()
    world.sms_gateway()
    made = NotificationTemplate(name="Busy", type="device.jailbroken")
    return edits.add(made, content("one"), actor=Actor("first")).template


def is_waited_for():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone()[0] > 0


def save(template, text, *, base):
    return edits.change(template, content(text), values={}, actor=Actor("second"), base=base)


def after_another_save(template, job):
    """What comes of a job that begins while another save is not committed yet."""
    begun = threading.Event()

    def late():
        try:
            begun.set()
            return job(NotificationTemplate.objects.select_related("current").get(pk=template.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            save(template, "two", base=1)
            later = pool.submit(late)
            begun.wait(waiting.PATIENCE)
            waiting.until(is_waited_for)
        return later.result(waiting.PATIENCE)


@on_postgresql
def test_the_later_of_two_saves_of_one_version_is_refused(template):
    with pytest.raises(edits.StaleError) as stale:
        after_another_save(template, lambda seen: save(seen, "three", base=1))
    assert stale.value.current.number == 2
    assert template.versions.count() == 2


@on_postgresql
def test_a_save_after_another_tells_the_trail_what_it_replaced(template):
    assert after_another_save(template, lambda seen: save(seen, "three", base=None)).version.number == 3
    assert AuditEntry.objects.first().before == {"sms.message": "two"}


@on_postgresql
def test_a_save_of_what_another_just_stored_makes_no_version(template):
    assert after_another_save(template, lambda seen: save(seen, "two", base=1)).version.number == 2
