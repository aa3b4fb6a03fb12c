"""Signs of life of the workers."""

import pytest
from celery.signals import worker_ready
from django.utils import timezone

from dispatch import liveness, tasks


@pytest.mark.django_db
def test_a_worker_that_starts_shows_life_at_once_and_not_at_the_next_beat(monkeypatch):
    flown = []
    monkeypatch.setattr(tasks.watch, "apply_async", lambda **options: tasks.watch())
    monkeypatch.setattr(tasks.canary, "apply_async", lambda **options: flown.append(options["queue"]))
    worker_ready.send(sender=None)
    assert liveness.silent(["control", "drain"], now=timezone.now()) == ["drain"]
    assert flown == ["drain"]
