"""Makes database, static files, administrator and demo data what the quick start needs; quick when they are already."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from foundation import audit
from foundation.audit import Action, Actor
from xmnotify import env
from xmnotify.quickstart import demo

ADMINISTRATOR = "admin"


def everything(say: Callable[[str], None], *, smtp_port: int, sms_port: int) -> None:
    migrate(say)
    collect_static(say)
    make_administrator(say)
    if demo.seed(smtp_port=smtp_port, sms_port=sms_port):
        say(f"Made a demo mail server, a demo SMS gateway and {demo.DEVICES} devices with their users.")


def migrate(say: Callable[[str], None]) -> None:
    """Ends the process in one sentence where another version made the database: its migrations are not ours."""
    executor = MigrationExecutor(connection)
    if foreign := sorted(set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)):
        raise SystemExit(
            f"The database was made by another version of xmnotify: this one does not know {'.'.join(foreign[0])}. "
            "Start that version, or move the database away and begin with an empty one."
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", verbosity=0, interactive=False)
        say(f"Brought the database up to date ({len(plan)} migrations).")


def collect_static(say: Callable[[str], None]) -> None:
    """Collect the static files unless they stand collected from the same sources."""
    stamp = Path(settings.STATIC_ROOT) / ".stamp"
    sources = _static_sources()
    if not stamp.is_file() or stamp.read_text() != sources:
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(sources)
        say("Collected the static files.")


def make_administrator(say: Callable[[str], None]) -> None:
    """The first administrator, with XMNOTIFY_ADMIN_PASSWORD or a random password, which is printed this once."""
    chosen = env.text("XMNOTIFY_ADMIN_PASSWORD")
    users = get_user_model()._default_manager  # noqa: SLF001 - Django's documented name for it
    administrator = users.filter(username=ADMINISTRATOR).first()
    if administrator is None:
        password = chosen or secrets.token_urlsafe(12)
        made = get_user_model().objects.create_superuser(ADMINISTRATOR, "admin@example.com", password)
        audit.record(Actor("quick start"), action=Action.ADD, instance=made, after=audit.snapshot(made))
        say(f"Administrator: {ADMINISTRATOR}, password: {'as you set it' if chosen else password}")
    elif chosen and not administrator.check_password(chosen):
        say(
            f"Administrator: {ADMINISTRATOR}, with the password from before: XMNOTIFY_ADMIN_PASSWORD is for the first "
            f"start; `manage.py changepassword {ADMINISTRATOR}` sets another."
        )


def _static_sources() -> str:
    digest = hashlib.sha256(django.get_version().encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
