"""RabbitMQ as a broker whose refusals are waited out.

Kombu's own transport has a worker end when its user, password or virtual host is refused (seen with 5.6 and RabbitMQ
3.10). As with Redis it goes on trying instead, for the sweep lives in the control worker.
"""

from __future__ import annotations

from amqp.exceptions import AccessRefused, NotAllowed
from kombu.transport import pyamqp

_REFUSALS = (AccessRefused, NotAllowed)


class Transport(pyamqp.Transport):
    recoverable_connection_errors = (*pyamqp.Transport.recoverable_connection_errors, *_REFUSALS)


class SSLTransport(pyamqp.SSLTransport):
    recoverable_connection_errors = (*pyamqp.SSLTransport.recoverable_connection_errors, *_REFUSALS)
