"""The product's settings for a web process of the tests; no test needs the static files collected."""

from xmnotify.settings import *  # noqa: F403
from xmnotify.settings import MIDDLEWARE, STORAGES

STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("whitenoise.")]
