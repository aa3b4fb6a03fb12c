"""Points this process at another broker for a while."""

from contextlib import contextmanager

from kombu import pools

from dispatch.wakeup import publisher
from xmnotify.celery import app


@contextmanager
def broker(url, options=None):
    before = app.conf.broker_url, app.conf.broker_transport_options
    app.conf.broker_url = url
    if options is not None:
        app.conf.broker_transport_options = options
    _forget()
    try:
        yield
    finally:
        app.conf.broker_url, app.conf.broker_transport_options = before
        _forget()


def _forget():
    with publisher._publishing:  # a thread that wakes later may still read a reply
        app._after_fork()  # Celery's own way to drop its connections
        pools.reset()
        publisher._paused_until = 0.0
