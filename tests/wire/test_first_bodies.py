"""The first bodies may come all at once, in several threads."""

import os
import subprocess
import sys
from pathlib import Path

from tests import waiting

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, threading
import django
django.setup()
from importlib import import_module
import_module("xmnotify.urls")
from api.kit import operation
from api.v1.event_body import EventItem
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(4)
def first():
    barrier.wait()
    operation.read({"type": "a", "device": {"serial": "S"}}, into=EventItem)
threads = [threading.Thread(target=first) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_bodies_of_a_type_that_was_never_read_do_not_crash_the_process():
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "xmnotify.settings"}
    runs = [subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment) for _ in range(6)]
    assert [run.wait(timeout=waiting.PATIENCE) for run in runs] == [0] * 6
