"""Makes the keys of a trial once: `python -m xmnotify.quickstart.keys`, before Django reads its settings."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def make_missing(var: Path) -> None:
    """Put secret_key and fernet_keys into the folder `var`, readable by their owner only, where they are missing.

    Raises OSError when the folder can't be made or written.
    """
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep(var / "secret_key", secrets.token_urlsafe(48))
    _keep(var / "fernet_keys", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    if not os.access(var, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(var))


def _keep(path: Path, key: str) -> None:
    if path.exists():
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    unfinished.rename(path)


def main() -> None:
    var = Path(os.environ.get("XMNOTIFY_VAR") or ROOT / "var").absolute()
    try:
        make_missing(var)
    except OSError as error:
        sys.exit(
            f"The data folder {var} can't be written ({error.strerror}): fix that, or set XMNOTIFY_VAR to another."
        )


if __name__ == "__main__":
    main()
