"""Every change of a carrier SMS gateway: checked, stored and audited in one transaction, as `servers.edits` does.

Each begins with `renew_routes`, which waits for whoever else changes one: so nobody has the same carrier stored
meanwhile, and two who add several do not wait for each other's.
"""

from __future__ import annotations

from django.db import transaction

from foundation import audit
from foundation.audit import Action, Actor
from servers.carriers.validators import clean_carrier
from servers.edits import StaleError, renew_routes
from servers.models import CarrierGateway


@transaction.atomic
def create(gateway: CarrierGateway, *, actor: Actor) -> None:
    """Store a new one; SMS that are planned from now on go by it. Raises ValidationError by field."""
    renew_routes()
    clean_carrier(gateway)
    with audit.change(actor, action=Action.ADD, instance=gateway):
        gateway.save()


@transaction.atomic
def change(gateway: CarrierGateway, *, actor: Actor) -> None:
    """Store a changed one and count its revision up.

    Raises ValidationError by field, StaleError when `gateway.revision` is not the stored one,
    CarrierGateway.DoesNotExist when it was removed.
    """
    stored = read_for_change(gateway.pk)
    if stored.revision != gateway.revision:
        raise StaleError
    clean_carrier(gateway)
    gateway.revision += 1
    with audit.change(actor, action=Action.CHANGE, instance=gateway, before=audit.snapshot(stored)):
        gateway.save()


def read_for_change(gateway_id: int) -> CarrierGateway:
    """As it is stored; nobody else changes it until the end of the transaction. Raises CarrierGateway.DoesNotExist."""
    renew_routes()
    return CarrierGateway.objects.get(pk=gateway_id)


@transaction.atomic
def delete(gateway: CarrierGateway, *, actor: Actor) -> None:
    """Delete it; what goes through it already still does, new SMS do not.

    Raises CarrierGateway.DoesNotExist when it was removed.
    """
    renew_routes()
    stored = CarrierGateway.objects.get(pk=gateway.pk)
    with audit.change(actor, action=Action.DELETE, instance=stored):
        stored.delete()
