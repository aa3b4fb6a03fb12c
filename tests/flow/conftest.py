"""Real brokers and worker processes around the test's database."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from simulators.smtp import SmtpSimulator
from templates_app.install import install
from tests import ports, private_servers, waiting
from tests.flow.brokers import broker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def broker_url():
    """The named Redis, or a private one; this process publishes there, too."""
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

    def start(queue="drain", *, pool="threads", program=("celery",), until="ready.", **environment):
        """`program` is the module that it runs, with arguments of its own; `until` its log has these words."""
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("wb") as output:
            started.append(
                subprocess.Popen(
                    _worker_command(queue, pool=pool, name=f"{queue}{len(started)}@test", program=program),
                    cwd=ROOT,
                    env=os.environ | _addresses(broker_url) | environment,
                    stdout=output,
                    stderr=output,
                )
            )
        worker = started[-1]
        waiting.until(lambda: worker.poll() is not None or until in log.read_text(), report=log.read_text)
        assert worker.poll() is None, log.read_text()
        return worker

    yield start
    for process in started:
        process.kill()
        process.wait()


def _worker_command(queue, *, pool, name, program):
    quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
    return [sys.executable, "-m", *program, "-A", "xmnotify", "worker", "-P", pool, "-Q", queue, "-n", name, *quiet]


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


@pytest.fixture(scope="session")
def _web(django_db_setup, django_db_blocker, broker_url, tmp_path_factory):
    with django_db_blocker.unblock(), _serving(tmp_path_factory.mktemp("web") / "log", broker_url=broker_url) as port:
        yield port


@pytest.fixture
def web(transactional_db, _web):
    """The port of a web server on the tests' database."""
    return _web


@pytest.fixture
def start_web(transactional_db, broker_url, tmp_path):
    """Starts a web server of this test's own: `start_web(XMNOTIFY_...="...")` gives its port, ready."""
    with ExitStack() as stack:
        numbers = count()

        def start(**environment):
            log = tmp_path / f"web-{next(numbers)}.log"
            return stack.enter_context(_serving(log, broker_url=broker_url, **environment))

        yield start


@contextmanager
def _serving(log, *, broker_url, **environment):
    port = ports.free()
    command = f"from xmnotify.quickstart import web; web.serve(host='127.0.0.1', port={port})"
    settings_module = {"DJANGO_SETTINGS_MODULE": "tests.flow.web_settings"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", command],
            cwd=ROOT,
            env=os.environ | _addresses(broker_url) | settings_module | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        waiting.until(lambda: _answers(port) or process.poll() is not None, report=log.read_text)
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return probe.recv(100).startswith(b"HTTP/1.0 200")
    except OSError:
        return False
