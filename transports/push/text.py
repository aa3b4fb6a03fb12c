"""What both services want of a text and its sound."""

from __future__ import annotations

from transports.types import Message, Reason, ReasonCode, Rejected, Scope


def sound_file(sound: str) -> str:
    """How a template's sound goes out: "" for none, "default", or the name of a file of the app."""
    return sound if sound in {"", "default"} else f"{sound}.wav"


def spoiled(message: Message, *, octets: int, most: int) -> Rejected | None:
    """Why no service would take this message, whose payload has so many octets."""
    if not message.text.strip():
        return Rejected(Reason(ReasonCode.TEMPLATE_ERROR, Scope.MESSAGE, "the text is empty"))
    if octets > most:
        detail = f"{octets:,} bytes, and the service takes {most:,}"
        return Rejected(Reason(ReasonCode.TEXT_TOO_LONG, Scope.MESSAGE, detail))
    return None
