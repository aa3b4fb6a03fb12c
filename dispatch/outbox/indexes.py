"""Conditions written as the partial indexes have them: SQLite finds such an index by nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from dispatch.rules.states import RARE, DeliveryState

IS_DUE = f"state = '{DeliveryState.DUE}'"
IS_CLAIMED = f"state = '{DeliveryState.CLAIMED}'"


def listed(states: Iterable[StrEnum]) -> str:
    """As literals in a statement."""
    return ", ".join(f"'{state}'" for state in states)


def in_state(state: DeliveryState) -> RawSQL:
    """For the partial index on what is due."""
    return _literally(f"state = '{state}'")


def _literally(condition: str) -> RawSQL:
    """With literals, not parameters."""
    return RawSQL(condition, [], output_field=BooleanField())  # noqa: S611 - our own constants


RARE_ONES = _literally(f"state IN ({listed(RARE)})")
