import subprocess
import sys
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parents[3]


def test_a_process_that_only_sets_django_up_publishes_through_our_broker():
    code = "import django; django.setup(); from celery import current_app; print(current_app.conf.broker_url)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "xmnotify.settings", **_environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "redis://our-own:6379/0\n"


def _environment():
    return {
        "XMNOTIFY_BROKER_URL": "redis://our-own:6379/0",
        "XMNOTIFY_SECRET_KEY": settings.SECRET_KEY,
        "XMNOTIFY_FERNET_KEYS": ",".join(settings.XMNOTIFY_FERNET_KEYS),
    }
