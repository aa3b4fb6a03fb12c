"""The web server's entry."""

import gc
import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from foundation.sql import waits
from xmnotify import private_files

private_files.from_now_on()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xmnotify.settings")
application = get_wsgi_application()
waits.bound()
import_module(settings.ROOT_URLCONF)
gc.collect()
gc.freeze()  # what is loaded by now stays: no later collection visits it again
gc.set_threshold(20_000)  # a batch is some thousand values: as seldom looked through as in a worker
