"""The web server's entry: granian calls `application` by RSGI."""

from importlib import import_module

from xmnotify.wsgi import application as django

application = import_module("xmnotify.web.adapter").Application(django)  # can be imported when Django is set up
