"""Carrier gateways that several people add at the same moment: nobody waits for ever, no carrier is stored twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from foundation.audit import Actor
from servers.carriers import edits
from servers.models import CarrierGateway
from tests import waiting
from tests.db.templates_app.test_concurrency import is_waited_for, on_postgresql

pytestmark = pytest.mark.django_db(transaction=True)


def add(carrier):
    gateway = CarrierGateway(carrier=carrier, domain="sms.example.com", country="US")
    edits.create(gateway, actor=Actor("somebody"))


@on_postgresql
def test_two_who_add_the_same_carriers_in_another_order_do_not_wait_for_each_other():
    begun = threading.Event()

    def late():
        begun.set()
        try:
            with transaction.atomic():
                add("Orange")
                add("AT&T")
        except ValidationError as error:
            return list(error.error_dict)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            add("AT&T")
            later = pool.submit(late)
            begun.wait(waiting.PATIENCE)
            waiting.until(is_waited_for)
            add("Orange")
        assert later.result(waiting.PATIENCE) == ["carrier"]
    assert CarrierGateway.objects.count() == 2
