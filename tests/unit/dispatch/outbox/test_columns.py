"""A column of a delivery stands in the model alone: what is stored, claimed and settled takes its columns from it."""

import random
from datetime import timedelta
from uuid import UUID, uuid4

from dispatch.models import Delivery
from dispatch.outbox import columns
from dispatch.outbox.deliveries import Claim, Leased
from dispatch.rules.plan import Planned
from servers.values import ServerKind
from tests.db.world import NOW
from transports.types import AddressKind, ChannelKind, Reason, ReasonCode, Recipient, Scope

FIELDS = {field.column: field for field in Delivery._meta.concrete_fields}


class Toy(Planned):
    """A plan that says something of one more column."""

    provider_id: str = ""


def planned(kind=Planned, **fields):
    return kind(
        id=UUID(int=1),
        channel=ChannelKind.SMTP,
        server_kind=ServerKind.SMTP,
        to=Recipient(AddressKind.MAIL, "ada@example.com", "Ada"),
        expires_at=NOW,
        **fields,
    )


def test_every_field_of_the_model_is_known():
    assert list(columns.DELIVERY) == list(FIELDS)


def test_every_column_that_must_have_a_value_is_stored():
    stored = columns.PLANNED | columns.MOMENTS | columns.OTHERS
    assert {name for name, field in FIELDS.items() if not field.null} <= set(stored)


def test_what_a_plan_says_of_a_column_is_stored_in_it():
    names = columns.supplied(Toy, columns.DELIVERY)
    assert set(names) - set(columns.PLANNED) == {"provider_id"}
    row = dict(zip(names, columns.row_of(names)(planned(Toy, provider_id="toy")), strict=True))
    assert row["provider_id"] == "toy"
    assert (row["address_kind"], row["address"], row["address_name"]) == ("mail", "ada@example.com", "Ada")


def test_what_is_skipped_is_stored_with_its_reason():
    names = ("state", "reason_code", "reason_detail")
    row = columns.row_of(dict.fromkeys(names))
    assert row(planned(wait_code="no_active_server")) == ("due", "no_active_server", "")
    reason = Reason(ReasonCode.NO_ADDRESS, Scope.RECIPIENT, "no mail address")
    assert row(planned(skip=reason)) == ("skipped", "no_address", "no mail address")


def test_a_row_is_read_by_name():
    values = dict.fromkeys(columns.supplied(Leased, columns.DELIVERY))
    key, lease = uuid4(), uuid4()
    values |= {"id": key.hex, "lease": lease, "begun_at": "2026-12-01 10:00:00", "server_id": 3, "lapsed": 1}
    values |= {"hold_unknown": False, "tries": 2, "attempt_count": 4, "channel": "sms", "language": "", "time_zone": ""}
    values |= {"address_kind": "phone", "address": "+4917", "address_name": "Ada"}
    names = random.sample(sorted(values), len(values))
    read = columns.reader(Leased, {name: columns.DELIVERY[name] for name in names})
    found = read([values[name] for name in names])
    assert (found.id, found.lease, found.server_id, found.lapsed) == (key, lease, 3, True)
    assert (found.channel, found.to) == (ChannelKind.SMS, Recipient(AddressKind.PHONE, "+4917", "Ada"))
    assert found.begun_at.utcoffset() == timedelta()


def test_a_claim_names_its_columns_once():
    parts = {"address_kind", "address", "address_name"}
    assert set(columns.supplied(Claim, columns.DELIVERY)) == {*Claim.__struct_fields__} - {"to"} | parts
