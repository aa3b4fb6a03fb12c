"""A group of claims becomes wires, before anything is written; a fault here fails the one message that has it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dispatch.outbox.deliveries import Claim
from dispatch.sending import compose
from dispatch.sending.compose import Envelope
from foundation.secrets import SecretUnreadableError
from servers.values import Limits
from transports.types import Channel, Reason, ReasonCode, Rejected, Scope, Wire

logger = logging.getLogger(__name__)

Ready = list[tuple[Envelope, Wire]]
Refused = list[tuple[Claim, Reason]]


def prepare(group: Sequence[Claim], *, channel: Channel, limits: Limits) -> tuple[Ready, Refused]:
    """The wires of the group with their envelopes, and the claims of which there can be none."""
    known = compose.sources(group)
    drafts: list[compose.Draft] = []
    ready: Ready = []
    refused: Refused = []
    for claim in group:
        made = _draft(claim, known=known)
        if isinstance(made, Reason):
            refused.append((claim, made))
        else:
            drafts.append(made)
    for envelope in compose.envelopes(drafts, known=known, limits=limits):
        wire = _prepare(envelope, channel=channel)
        if isinstance(wire, Rejected):
            refused.extend((claim, wire.reason) for claim in envelope.claims)
        else:
            ready.append((envelope, wire))
    return ready, refused


def _draft(claim: Claim, *, known: compose.Sources) -> compose.Draft | Reason:
    try:
        return compose.draft(claim, known=known)
    except SecretUnreadableError as error:
        return Reason(ReasonCode.SECRET_UNREADABLE, Scope.MESSAGE, str(error))
    except Exception as error:
        logger.exception("render.fault delivery=%s", claim.id)
        return Reason(ReasonCode.TEMPLATE_ERROR, Scope.MESSAGE, f"the text could not be made ({type(error).__name__})")


def _prepare(envelope: Envelope, *, channel: Channel) -> Wire | Rejected:
    try:
        return channel.prepare(envelope.message, tuple(claim.to for claim in envelope.claims))
    except Exception as error:
        logger.exception("prepare.fault delivery=%s", envelope.claims[0].id)
        detail = f"the message could not be made ({type(error).__name__})"
        return Rejected(Reason(ReasonCode.INTERNAL_ERROR, Scope.MESSAGE, detail))
