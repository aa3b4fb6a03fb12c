"""Conditions written as the partial indexes have them: SQLite finds such an index by nothing else."""

from __future__ import annotations

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from dispatch.models import TROUBLE, Delivery


def in_state(state: Delivery.State) -> RawSQL:
    """For the partial index on what is due."""
    return _literally(f"state = '{state.value}'")


def _literally(condition: str) -> RawSQL:
    """With literals, not parameters."""
    return RawSQL(condition, [], output_field=BooleanField())  # noqa: S611 - our own constants


IN_TROUBLE = _literally(f"state IN ({', '.join(repr(state) for state in TROUBLE)})")
