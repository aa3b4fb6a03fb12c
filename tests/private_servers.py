"""PostgreSQL, Redis, Exim, nginx for the tests alone: on a free loopback port, in a temporary folder, gone with us."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from tests import ports
from xmnotify import connections
from xmnotify.quickstart import guardian

_START_SECONDS = 30.0
_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


def postgres_binaries() -> Path | None:
    """The folder with initdb and postgres, the newest version's where there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(_DEBIAN_POSTGRES.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


def redis_binary() -> Path | None:
    """redis-server or valkey-server of this machine, else the embedded broker's."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else connections.broker_binary()


def pgbouncer_binary() -> Path | None:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found else None


def exim_binary() -> Path | None:
    """Exim, which only root can start with settings of its own."""
    found = shutil.which("exim4")
    return Path(found) if found and os.geteuid() == 0 else None


@contextmanager
def exim(binary: Path, *, settings: str, certificate: Path) -> Iterator[tuple[Path, int, int]]:
    """Its folder, with the queue in `spool/input`, its port and the one that speaks TLS from the first byte."""
    with tempfile.TemporaryDirectory(prefix="xmnotify-exim-") as name:
        folder, port, tls_port = Path(name), ports.free(), ports.free()
        shutil.copy(certificate, folder / "certificate.pem")
        own = (
            f"spool_directory = {folder}/spool\nlog_file_path = {folder}/%s.log\npid_file_path = {folder}/pid\n"
            f"tls_certificate = {folder}/certificate.pem\nlocal_interfaces = 127.0.0.1\n"
            f"daemon_smtp_ports = {port} : {tls_port}\ntls_on_connect_ports = {tls_port}\n"
        )
        (folder / "exim.conf").write_text(own + settings, encoding="utf-8")
        for path in (folder, folder / "certificate.pem"):
            shutil.chown(path, "Debian-exim")
        command: list[str | Path] = [binary, "-C", folder / "exim.conf", "-bdf"]
        with _running(command, port=port, user=None, folder=folder):
            yield folder, port, tls_port


@contextmanager
def postgres(binaries: Path) -> Iterator[str]:
    """Its URL. It refuses to run as root, so root runs it as another user."""
    with restartable_postgres(binaries) as server:
        yield server.url


@contextmanager
def restartable_postgres(binaries: Path) -> Iterator[Postgres]:
    """One that can be restarted while it is used."""
    with tempfile.TemporaryDirectory(prefix="xmnotify-pg-") as name:
        server = Postgres(binaries, folder=Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Postgres:
    """A PostgreSQL in a folder of its own, which it keeps over restarts; a standby of `primary` if that is given.

    `settings` go to it beside those that all have here.
    """

    def __init__(
        self,
        binaries: Path,
        *,
        folder: Path,
        settings: Mapping[str, str] = MappingProxyType({}),
        primary: Postgres | None = None,
    ) -> None:
        self._binaries, self._folder, self._settings, self.port = binaries, folder, settings, ports.free()
        self._user = _other_user() if os.geteuid() == 0 else None
        self._running = ExitStack()
        if self._user:
            shutil.chown(folder, self._user)
        if primary:
            command = ["pg_basebackup", "-h", "127.0.0.1", "-p", str(primary.port), "-R", "-c", "fast"]
        else:
            command = ["initdb", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        command += ["-D", str(folder / "data"), "-U", "xmnotify", "--no-sync"]
        command[0] = str(binaries / command[0])
        subprocess.run(command, user=self._user, cwd=folder, stdout=subprocess.DEVNULL, check=True)

    @property
    def url(self) -> str:
        return f"postgresql://xmnotify@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Returns once it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "300",
            **self._settings,
        }
        options: list[str | Path] = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._binaries / "postgres", "-D", self._folder / "data", *options]
        running = _running(command, port=self.port, user=self._user, folder=self._folder)
        self._process = self._running.enter_context(running)
        _wait_for_login(self._binaries, port=self.port)

    def stop(self) -> None:
        self._running.close()

    def restart(self, *, immediate: bool) -> None:
        """As `pg_ctl restart -m fast` or `-m immediate`; returns once it takes connections again."""
        self.end(immediate=immediate)
        self.start()

    def end(self, *, immediate: bool) -> None:
        """As `pg_ctl stop -m fast` or `-m immediate`; its folder stays."""
        self._process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        self._process.wait()
        self.stop()

    def promote(self) -> None:
        """A standby takes changes from here on."""
        command: list[str | Path] = [self._binaries / "pg_ctl", "promote", "-w", "-D", self._folder / "data"]
        subprocess.run(command, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def pgbouncer(binary: Path | None, *, host: str, port: int) -> Iterator[int]:
    """The port of a pooler in transaction mode with one connection to that PostgreSQL, which trusts us."""
    assert binary, "PgBouncer is missing"
    user = _other_user() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="xmnotify-pooler-") as name:
        folder, own = Path(name), ports.free()
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": own,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 1,
        }
        lines = ["[databases]", f"* = host={host} port={port} user=xmnotify", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        if user:
            shutil.chown(folder, user)
        with _running([binary, folder / "pgbouncer.ini"], port=own, user=user, folder=folder):
            yield own


@contextmanager
def redis(binary: Path, *, port: int | None = None) -> Iterator[str]:
    port = port or ports.free()
    with tempfile.TemporaryDirectory(prefix="xmnotify-redis-") as name:
        command: list[str | Path] = [
            binary,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with _running(command, port=port, user=None, folder=Path(name)):
            yield f"redis://127.0.0.1:{port}/0"


def nginx_binary() -> Path | None:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    return Path(found) if found else None


@contextmanager
def nginx(binary: Path, *, server: str) -> Iterator[int]:
    """Its port; `server` is what its configuration says of the one server that it has."""
    with tempfile.TemporaryDirectory(prefix="xmnotify-nginx-") as name:
        folder, port = Path(name), ports.free()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr warn; events {{}}\n"
            f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port}; {server} }} }}\n",
            encoding="utf-8",
        )
        command: list[str | Path] = [binary, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]
        with _running(command, port=port, user=None, folder=folder):
            yield port


@contextmanager
def _running(
    command: list[str | Path], *, port: int, user: str | None, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, user=user, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", guardian.__file__], stdin=subprocess.PIPE, start_new_session=True
    )
    assert watcher.stdin
    watcher.stdin.write(f"+{process.pid}\n".encode())
    watcher.stdin.flush()
    try:
        _wait_for_port(port, process=process, log=folder / "log")
        yield process
    finally:
        watcher.stdin.close()
        process.wait()
        watcher.wait()


def _wait_for_port(port: int, *, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace")) from None
            time.sleep(0.02)
        else:
            return


def _wait_for_login(binaries: Path, *, port: int) -> None:
    command: list[str | Path] = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    until = time.monotonic() + _START_SECONDS
    while subprocess.run(command, check=False).returncode:
        if time.monotonic() > until:
            raise RuntimeError("PostgreSQL takes no connections")
        time.sleep(0.02)


def _other_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
