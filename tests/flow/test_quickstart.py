"""The whole quick start as a person runs it: one make, many ends, nothing left behind."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests import ports, waiting

pytestmark = pytest.mark.flow
ROOT = Path(__file__).resolve().parents[2]


def command(process):
    """Its command line; empty when it ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class QuickStart:
    """A make, run by a shell of its own, whose recipe's shell runs the supervisor."""

    def __init__(self, var, *, prefix=(), broker_url="", host="127.0.0.1", root=ROOT):
        self.var = var
        self.opened = {"0.0.0.0": "127.0.0.1"}.get(host, host)
        self.port = ports.free()
        makefile = var.parent / "Makefile"
        makefile.write_text(f"run:\n\t@cd '{root}' && {sys.executable} manage.py quickstart\n")
        self.log = var.parent / "output"
        environment = os.environ | {
            "XMNOTIFY_VAR": str(var),
            "XMNOTIFY_HOST": host,
            "XMNOTIFY_PORT": str(self.port),
            "XMNOTIFY_SMTP_SIM_PORT": str(ports.free()),
            "XMNOTIFY_SMS_SIM_PORT": str(ports.free()),
            "XMNOTIFY_INBOX_PORT": str(ports.free()),
            "DATABASE_URL": "",
            "XMNOTIFY_BROKER_URL": broker_url,
            "XMNOTIFY_ADMIN_PASSWORD": "a password for the test",
        }
        with self.log.open("w") as output:
            self.shell = subprocess.Popen(
                [*prefix, "bash", "-c", f"make -f '{makefile}' run; true"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def processes(self):
        """Every process that has our data folder in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("XMNOTIFY_VAR") == str(self.var) and process.status() != "zombie":
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def find(self, *words, parent=None):
        return next(
            process
            for process in self.processes()
            if all(word in command(process) for word in words) and parent in {None, process.ppid()}
        )

    def has(self, word):
        return any(word in command(process) for process in self.processes())

    @property
    def make(self):
        return self.find("make", "-f", parent=self.shell.pid)

    @property
    def recipe(self):
        return self.find("sh", "-c", "manage.py", parent=self.make.pid)

    @property
    def supervisor(self):
        return self.find(sys.executable, "manage.py", "quickstart", parent=self.recipe.pid)

    def wait_until_up(self):
        waiting.until(lambda: self.shell.poll() is not None or self.is_up(), report=self.log.read_text)
        assert self.shell.poll() is None, self.log.read_text()

    def is_up(self):
        try:
            with contextlib.closing(http.client.HTTPConnection(self.opened, self.port, timeout=5)) as connection:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
        except OSError:
            return False

    def wait_for_messages(self):
        """What was printed, once the sample's mail and SMS have come or are given up."""
        waiting.until(lambda: "Ctrl-C" in self.log.read_text(), report=self.log.read_text)
        return self.log.read_text()

    def wait_for_processes(self, count):
        waiting.until(lambda: len(self.processes()) >= count, report=self.commands)

    def commands(self):
        return [(process.pid, command(process)) for process in self.processes()]

    def wait_until_gone(self):
        """The shell, which is our own child, is gone once it has been polled."""
        waiting.until(lambda: self.shell.poll() is not None and not self.processes(), report=self.commands)

    def end(self):
        while left := self.processes():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.shell.poll()
        self.shell.wait()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data folder whose keys are made; the first start fills it."""
    var = tmp_path_factory.mktemp("quickstart") / "var"
    subprocess.run(
        [sys.executable, "-m", "xmnotify.quickstart.keys"],
        cwd=ROOT,
        env=os.environ | {"XMNOTIFY_VAR": str(var)},
        check=True,
    )
    return var


@pytest.fixture
def quick_start(prepared):
    started = []

    def start(*prefix, var=prepared, **chosen):
        started.append(QuickStart(var, prefix=prefix, **chosen))
        started[-1].wait_until_up()
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.mark.parametrize("broker_url", ["", "filesystem://"])
def test_the_sample_event_is_followed_until_its_mail_is_in_the_inbox(quick_start, broker_url):
    running = quick_start(broker_url=broker_url)
    output = running.wait_for_messages()
    assert "delivered: the mail to " in output
    assert "delivered: the SMS to +" in output
    assert f"http://127.0.0.1:{running.port}/" in output
    assert "@example.com" in (running.var / "inbox.ledger").read_text()


def test_nobody_else_reads_what_it_writes_whoever_made_the_folder(quick_start, prepared):
    prepared.chmod(0o755)
    (prepared / "secret_key").chmod(0o644)
    running = quick_start()
    running.wait_for_messages()
    open_to_others = [
        path for path in (prepared, *prepared.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "::1"])
def test_wherever_it_listens_its_addresses_open_and_the_sms_has_its_receipt(quick_start, host):
    running = quick_start(host=host)
    output = running.wait_for_messages()
    assert "delivered: the SMS to +" in output, output
    console, api = re.findall(r"^  (?:Console|API) +(\S+)", output, re.MULTILINE)
    assert "0.0.0.0" not in output
    for address in (console, api):
        with urllib.request.urlopen(address, timeout=waiting.PATIENCE) as response:
            assert response.status == 200


def test_a_checkout_in_a_folder_of_any_name_keeps_everything_inside(quick_start):
    with tempfile.TemporaryDirectory(prefix="x") as outside:
        root = Path(outside) / "issue#12 feature%2Fx"
        left = shutil.ignore_patterns(".git", ".venv*", ".*cache*", "__pycache__", "var", "tests", "docs")
        shutil.copytree(ROOT, root, ignore=left)
        without = {name: value for name, value in os.environ.items() if not name.startswith("XMNOTIFY_")}
        subprocess.run([sys.executable, "-m", "xmnotify.quickstart.keys"], cwd=root, env=without, check=True)
        running = quick_start(var=root / "var", root=root)
        assert "delivered: the SMS to +" in running.wait_for_messages()
        inside = {path.name for path in (root / "var").iterdir()}
        assert {"secret_key", "fernet_keys", "xmnotify.sqlite3", "valkey.sock"} <= inside
        assert {path.name for path in Path(outside).iterdir()} == {root.name}
        running.end()


@pytest.mark.parametrize("victim", ["shell", "make", "recipe", "supervisor"])
def test_a_kill_of_anybody_above_leaves_nothing_behind(quick_start, victim):
    running = quick_start()
    running.wait_for_processes(11)
    os.kill(getattr(running, victim).pid, signal.SIGKILL)
    running.wait_until_gone()


def test_ctrl_c_ends_everything_in_order(quick_start):
    running = quick_start()
    os.killpg(running.shell.pid, signal.SIGINT)
    running.wait_until_gone()
    assert running.log.read_text().count("Stopping.") == 1


def test_sigterm_to_the_supervisor_ends_everything_in_order(quick_start):
    running = quick_start()
    running.supervisor.terminate()
    running.wait_until_gone()


def test_under_nohup_the_shell_may_go_but_make_may_not(quick_start):
    running = quick_start("nohup")
    make = running.make
    os.kill(running.shell.pid, signal.SIGKILL)
    running.shell.wait()
    with pytest.raises(psutil.TimeoutExpired):
        make.wait(2)
    make.kill()
    running.wait_until_gone()


def test_a_killed_guardian_is_replaced(quick_start):
    running = quick_start()
    running.find("guardian.py").kill()
    waiting.until(lambda: running.has("guardian.py"), report=running.commands)
    running.supervisor.kill()
    running.wait_until_gone()


def test_a_part_that_dies_is_started_again_and_said_so(quick_start):
    running = quick_start()
    running.find("valkey-server").kill()
    waiting.until(
        lambda: "broker ended (killed by SIGKILL)" in running.log.read_text() and running.has("valkey-server"),
        report=running.log.read_text,
    )


def test_a_second_run_on_the_same_folder_is_refused_in_one_sentence(quick_start, prepared):
    quick_start()
    second = subprocess.run(
        [sys.executable, "manage.py", "quickstart"],
        cwd=ROOT,
        env=os.environ | {"XMNOTIFY_VAR": str(prepared)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == (
        f"CommandError: Another `make run` uses the data folder {prepared}: "
        "stop that one, or set XMNOTIFY_VAR to another folder.\n"
    )


PORTS = ("XMNOTIFY_PORT", "XMNOTIFY_SMTP_SIM_PORT", "XMNOTIFY_SMS_SIM_PORT", "XMNOTIFY_INBOX_PORT")


@pytest.mark.parametrize("setting", PORTS)
def test_a_taken_port_is_one_sentence_that_names_its_setting(prepared, setting):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        others = {name: str(ports.free()) for name in PORTS}
        run = subprocess.run(
            [sys.executable, "manage.py", "quickstart"],
            cwd=ROOT,
            env=os.environ | others | {"XMNOTIFY_VAR": str(prepared), setting: str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 1
    assert run.stderr == (
        f"CommandError: Port {port} on 127.0.0.1 can't be used (Address already in use): "
        f"stop what uses it, or set {setting} to another port.\n"
    )
