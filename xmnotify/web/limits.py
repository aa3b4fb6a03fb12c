"""How large a body may be, before and after it is known who sends it."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from api.access import keys
from api.kit import problems
from api.kit.operation import BATCH_BYTES, EVENT_BYTES
from api.receipts.views import LONGEST_RECEIPT
from api.v1.transfer import IMPORTS
from api.v1.transfer import MOST_BYTES as MOST_IMPORTED
from devices import import_runs
from foundation.sql import trouble
from servers.values import RECEIPT_PATH
from xmnotify.web.bodies import Limits

_API = "/api/"
_SIGNED = Limits(EVENT_BYTES, EVENT_BYTES)
_WITH_KEY = Limits(EVENT_BYTES, BATCH_BYTES)
_RECEIPT = Limits(LONGEST_RECEIPT, LONGEST_RECEIPT)
_FORM = Limits(64 * 1024, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
_FILE_WITH_KEY = Limits(EVENT_BYTES, MOST_IMPORTED, to_file=True)
_FILE_IN_FORM = Limits(64 * 1024, import_runs.MOST_BYTES + 64 * 1024, to_file=True)
_UPLOADS = tuple(f"/{path}" for path in import_runs.PATHS)


def of(environ: dict[str, Any]) -> Limits:
    path = environ["PATH_INFO"]
    if path.startswith(_API):
        if path.startswith(f"{_API}v1{IMPORTS}"):
            return _FILE_WITH_KEY
        return _SIGNED if "HTTP_WEBHOOK_SIGNATURE" in environ else _WITH_KEY
    if path in _UPLOADS:
        return _FILE_IN_FORM
    return _RECEIPT if path.startswith(f"/{RECEIPT_PATH}") else _FORM


def is_known(environ: dict[str, Any]) -> bool:
    """Whether a live API key or the session of somebody logged in comes with the request; queries the database."""
    request = WSGIRequest({**environ, "wsgi.input": BytesIO()})
    close_old_connections()
    try:
        if request.path_info.startswith(_API):
            return keys.of_request(request.headers, now=timezone.now()) is not None
        store = import_module(settings.SESSION_ENGINE).SessionStore
        request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        return bool(auth.get_user(request).is_authenticated)
    except (DatabaseError, InterfaceError) as error:
        if found := trouble.of(error):
            problems.database_trouble(found, error=error)
        raise
    finally:
        close_old_connections()
