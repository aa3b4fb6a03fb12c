"""Real brokers and worker processes around the test's database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from simulators.smtp import SmtpSimulator
from templates_app.install import install
from tests import private_servers, waiting
from tests.flow.brokers import broker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def broker_url():
    """The named Redis, or a private one; this process rings there, too."""
    given = os.environ.get("XMNOTIFY_BROKER_URL")
    if given:
        yield given
        return
    with private_servers.redis(private_servers.redis_binary()) as url, broker(url):
        yield url


@pytest.fixture
def smtp(tmp_path):
    """A simulated mail server with a ledger at `tmp_path / "ledger"`."""
    with SmtpSimulator(ledger=tmp_path / "ledger") as simulator:
        yield simulator


@pytest.fixture
def start_worker(transactional_db, broker_url, tmp_path):
    """Starts a worker process on this test's database and broker: `start_worker("drain")` gives its Popen, ready.

    The predefined templates are there, though the test before may have emptied every table.
    """
    install(apps)
    started = []

    def start(queue="drain", *, pool="threads", **environment):
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("wb") as output:
            started.append(
                subprocess.Popen(
                    _worker_command(queue, pool=pool, name=f"{queue}{len(started)}@test"),
                    cwd=ROOT,
                    env=os.environ | _addresses(broker_url) | environment,
                    stdout=output,
                    stderr=output,
                )
            )
        worker = started[-1]
        waiting.until(lambda: worker.poll() is not None or "ready." in log.read_text(), told=log.read_text)
        assert worker.poll() is None, log.read_text()
        return worker

    yield start
    for process in started:
        process.kill()
        process.wait()


def _worker_command(queue, *, pool, name):
    quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
    return [sys.executable, "-m", "celery", "-A", "xmnotify", "worker", "-P", pool, "-Q", queue, "-n", name, *quiet]


def _addresses(broker_url):
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return {
        "DATABASE_URL": url,
        "XMNOTIFY_BROKER_URL": broker_url,
        "XMNOTIFY_SECRET_KEY": settings.SECRET_KEY,
        "XMNOTIFY_FERNET_KEYS": ",".join(settings.XMNOTIFY_FERNET_KEYS),
    }
