"""The quick start's preparation."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from xmnotify.quickstart import prepare

pytestmark = pytest.mark.django_db


def test_a_database_that_is_up_to_date_is_left_alone():
    said = []
    prepare.migrate(said.append)
    assert said == []


def test_a_database_of_another_version_is_refused_in_one_sentence():
    MigrationRecorder(connection).record_applied("dispatch", "0099_of_tomorrow")
    with pytest.raises(SystemExit, match=r"another version.* does not know dispatch\.0099_of_tomorrow"):
        prepare.migrate(print)
