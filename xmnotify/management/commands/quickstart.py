"""`make run`: starts everything on this machine under one supervisor, sends a first mail, and keeps running."""

from __future__ import annotations

import os
import socket
import time
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from xmnotify import connections, env, private_files
from xmnotify.quickstart import lineage, preflight
from xmnotify.quickstart.listening import Listening, listening
from xmnotify.quickstart.supervisor import Part, Supervisor

_BROKER_SECONDS = 10.0
_SAMPLE_SECONDS = 3.0
"""How long the control worker, whose start takes a core, gives way to the first messages."""


class Command(BaseCommand):
    help = "Runs web, workers, broker and simulated servers for a trial, and sends a first mail and a first SMS."
    requires_system_checks: list[str] = []

    def handle(self, *arguments: Any, **options: Any) -> None:
        var = Path(settings.VAR)
        port = env.integer("XMNOTIFY_PORT", 8000, least=1, most=65535)
        own = listening(env.text("XMNOTIFY_HOST", "127.0.0.1"), port=port)
        smtp_port = env.integer("XMNOTIFY_SMTP_SIM_PORT", 2525, least=1, most=65535)
        sms_port = env.integer("XMNOTIFY_SMS_SIM_PORT", 2526, least=1, most=65535)
        inbox_port = env.integer("XMNOTIFY_INBOX_PORT", 8025, least=1, most=65535)
        try:
            preflight.lock(var)
            private_files.tighten(var)
            preflight.check_port(own.address, port=port, setting="XMNOTIFY_PORT")
            preflight.check_port("127.0.0.1", port=smtp_port, setting="XMNOTIFY_SMTP_SIM_PORT")
            preflight.check_port("127.0.0.1", port=sms_port, setting="XMNOTIFY_SMS_SIM_PORT")
            preflight.check_port("127.0.0.1", port=inbox_port, setting="XMNOTIFY_INBOX_PORT")
        except preflight.NotReadyError as breach:
            raise CommandError(str(breach)) from None
        # The parts are forked from here, so what is set now reaches all of them.
        if settings.XMNOTIFY_SMTP_PORTS is not None:
            settings.XMNOTIFY_SMTP_PORTS |= {smtp_port}
        if settings.XMNOTIFY_HTTP_PORTS is not None:
            settings.XMNOTIFY_HTTP_PORTS |= {sms_port}
        settings.XMNOTIFY_ALLOWED_NETWORKS += (ip_network("127.0.0.1/32"),)
        if not env.text("XMNOTIFY_CONSOLE_URL"):
            settings.XMNOTIFY_CONSOLE_URL = own.url
        if own.name not in settings.ALLOWED_HOSTS:
            settings.ALLOWED_HOSTS.append(own.name)
        supervisor = Supervisor(self._say, lineage.watched())
        supervisor.open()
        try:
            ports = {"smtp_port": smtp_port, "sms_port": sms_port}
            self._run(supervisor, var=var, own=own, inbox_port=inbox_port, simulated=ports)
        finally:
            self._say("Stopping.")
            supervisor.stop()

    def _run(
        self, supervisor: Supervisor, *, var: Path, own: Listening, inbox_port: int, simulated: dict[str, int]
    ) -> None:
        log = var / "log"
        binary = None if env.text("XMNOTIFY_BROKER_URL") else connections.broker_binary()
        broker_socket = connections.broker_socket(var)
        os.environ["REMAP_SIGTERM"] = "SIGQUIT"  # Celery reads it when it is imported: stop soon, not after every task
        from xmnotify.quickstart import broker, prepare  # noqa: PLC0415 - after the line above and the checks

        preparation = partial(prepare.everything, self._say, **simulated)
        supervisor.start(Part("preparation", preparation, kept=False))
        if binary:
            run = partial(broker.serve, binary, socket=broker_socket, var=var)
            supervisor.start(Part("broker", run, log / "broker.log"))
        broker.make_queue_folders()
        from xmnotify.quickstart import web  # noqa: PLC0415 - while the preparation runs, as far as it is needed next

        web.preload()
        status = supervisor.run_until_ended("preparation")
        if status is None:
            return
        if status:
            raise CommandError("The preparation failed; what is said above tells why.")
        if binary:
            _wait_for_broker(broker_socket)
        supervisor.start(Part("web", partial(web.serve, host=own.address, port=own.port), log / "web.log"))
        from xmnotify.quickstart import herald, outside  # noqa: PLC0415 - while the web server starts

        servers = partial(outside.serve, **simulated, inbox_port=inbox_port, receipts_to=own.host, var=var)
        supervisor.start(Part("simulated servers", servers, log / "simulated.log"))
        sample = partial(herald.first_messages, self._say, web=own, inbox_port=inbox_port, var=var, **simulated)
        supervisor.start(Part("sample event", sample, kept=False))
        from xmnotify.quickstart import workers  # noqa: PLC0415 - as above

        workers.preload()
        supervisor.start(Part("worker", workers.drain, log / "worker.log"))
        supervisor.run_until_ended("sample event", at_most=_SAMPLE_SECONDS)
        supervisor.start(Part("control worker", workers.control, log / "control.log"))
        for _ in supervisor.events():
            pass

    def _say(self, line: str) -> None:
        try:
            print(line, flush=True)
        except OSError:
            return  # the terminal is gone; there is nobody to tell


def _wait_for_broker(path: Path) -> None:
    until = time.monotonic() + _BROKER_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                if time.monotonic() > until:
                    raise CommandError(f"The embedded broker does not answer on {path}; see its log.") from None
                time.sleep(0.01)
            else:
                return
