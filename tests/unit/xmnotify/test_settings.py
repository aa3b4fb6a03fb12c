"""Celery ignores names that it does not know, so each one is looked up here."""

from celery.app.defaults import NAMESPACES, flatten
from django.conf import settings

from xmnotify.celery import app

KNOWN = {name.lower() for name, _ in flatten(NAMESPACES)} | {"db_reuse_max"}  # that one: tests/db/test_connections.py


def celery_names():
    return [name.removeprefix("CELERY_").lower() for name in dir(settings) if name.startswith("CELERY_")]


def test_celery_knows_every_setting_that_is_made_for_it():
    assert celery_names()
    assert [name for name in celery_names() if name not in KNOWN] == []


def test_a_message_is_acknowledged_late_and_never_put_back_for_ever():
    assert settings.CELERY_TASK_ACKS_LATE
    assert settings.CELERY_TASK_ACKS_ON_FAILURE
    assert settings.CELERY_TASK_ACKS_ON_TIMEOUT
    assert not settings.CELERY_TASK_REJECT_ON_WORKER_LOST


def test_only_json_is_read_and_no_result_is_kept():
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_IGNORE_RESULT


def test_a_worker_never_gives_its_broker_up():
    assert settings.CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP
    assert app.conf.broker_connection_max_retries is None
