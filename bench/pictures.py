"""`python -m bench.pictures`: takes README's pictures of the console anew, on made-up data."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bench import surroundings

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = surroundings.ROOT / "docs" / "images"
MOST_BYTES = 150 * 1024
_SIZE = {"width": 1180, "height": 760}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory(prefix="xmnotify-bench-") as var:
        surroundings.enter(Path(var))
        _fill()
        with _served() as url, _page(url) as page:
            _take(page, folder=folder)


def _fill() -> None:
    import django  # noqa: PLC0415 - the settings are named by now

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from dispatch.models import Delivery  # noqa: PLC0415
    from dispatch.upkeep import clocks  # noqa: PLC0415
    from dispatch.wakeup import broker_watch, liveness  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    call_command("seed", "--scale", "--deliveries", "20000", "--devices", "900")
    Delivery.objects.filter(state="due").update(due_at=timezone.now())
    for queue in ("drain", "control"):
        liveness.beat(queue, now=timezone.now())
    clocks.show_life(jump=timedelta(), now=timezone.now())
    broker_watch.trouble = lambda **_wait: None


@contextmanager
def _served() -> Iterator[str]:
    """Its address; on a thread of Django's own test server."""
    from django.test.testcases import LiveServerThread, _StaticFilesHandler  # noqa: PLC0415

    thread = LiveServerThread("127.0.0.1", _StaticFilesHandler)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    try:
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        thread.terminate()


@contextmanager
def _page(url: str) -> Iterator[Page]:
    """A page of an administrator who is logged in."""
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("admin", "admin@example.com"))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=url, viewport=_SIZE, locale="en-GB")  # type: ignore[arg-type]
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}])
        yield context.new_page()
        browser.close()


def _take(page: Page, *, folder: Path) -> None:
    page.goto("/")
    _write(page, folder / "dashboard.png")
    page.goto("/settings/notification-templates/")
    page.get_by_role("link", name="Jailbroken or Rooted Device", exact=True).click()
    page.locator("#preview .letter").first.wait_for()
    page.locator("#id_name").focus()
    page.locator("h2", has_text="Channels").scroll_into_view_if_needed()
    page.mouse.wheel(0, 620)
    page.locator("#preview .letter").first.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    _write(page, folder / "template.png")
    page.goto("/log/?state=trouble")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    _write(page, folder / "log.png")


def _write(page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = page.screenshot(path=path)
    if len(picture) > MOST_BYTES:
        raise SystemExit(f"{path.name} has {len(picture):,} bytes, {MOST_BYTES:,} at most.")
    print(f"{path.name}: {len(picture) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
