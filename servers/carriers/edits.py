"""Every change of a carrier SMS gateway: checked, stored and audited in one transaction, as `servers.edits` does."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from foundation import audit
from foundation.audit import Action, Actor
from servers.carriers.validators import clean_carrier
from servers.edits import StaleError, renew_routes
from servers.models import CarrierGateway


@transaction.atomic
def create(gateway: CarrierGateway, *, actor: Actor) -> None:
    """Store a new one; SMS that are planned from now on go by it. Raises ValidationError by field."""
    clean_carrier(gateway)
    with audit.change(actor, action=Action.ADD, instance=gateway):
        _save(gateway)
    renew_routes()


@transaction.atomic
def change(gateway: CarrierGateway, *, actor: Actor) -> None:
    """Store a changed one and count its revision up.

    Raises ValidationError by field, StaleError when `gateway.revision` is not the stored one,
    CarrierGateway.DoesNotExist when it was removed.
    """
    stored = CarrierGateway.objects.select_for_update().get(pk=gateway.pk)
    if stored.revision != gateway.revision:
        raise StaleError
    clean_carrier(gateway)
    gateway.revision += 1
    with audit.change(actor, action=Action.CHANGE, instance=gateway, before=audit.snapshot(stored)):
        _save(gateway)
    renew_routes()


@transaction.atomic
def delete(gateway: CarrierGateway, *, actor: Actor) -> None:
    """Delete it; what goes through it already still does, new SMS do not."""
    with audit.change(actor, action=Action.DELETE, instance=gateway):
        gateway.delete()
    renew_routes()


def _save(gateway: CarrierGateway) -> None:
    """Raises ValidationError when its carrier got a gateway in this country meanwhile."""
    try:
        with transaction.atomic():
            gateway.save()
    except IntegrityError:
        gateway.validate_constraints()
        raise
