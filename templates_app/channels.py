"""ONE table of what the channels of a template are: fields, limits, order, addresses and words; pure.

Whoever needs to know something of a channel looks it up here. Which kinds of server serve one says
`servers.values.KINDS_OF_CHANNEL`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from templates_app.macros.evaluate import Mode
from transports.addresses import mail_address, phone_number
from transports.marks import gettext_noop as _
from transports.types import AddressKind, ChannelKind


class Addresses(Struct, frozen=True):
    """Addresses that people write into a Recipient; `macro` is the field of `user.*` and `admin.*` that has one.

    `normalise` takes an address and the country (ISO 3166) in which numbers are read; it raises ValueError.
    """

    kind: AddressKind
    macro: str
    normalise: Callable[[str, str], str]


class Traits(Struct, frozen=True, kw_only=True):
    """What is particular to one channel; each channel has every trait."""

    name: str
    """As people see it."""
    panel: int
    """Its place in the form of a template."""

    own: tuple[str, ...]
    """The fields that it has once, as `texts.content.Channel` names them."""
    own_below: bool
    """Whether the form has them below the text."""
    texts: tuple[str, ...]
    """The fields that it has in each language, as `texts.content.Wording` names them."""
    required: frozenset[str]
    """Those of both that may not be empty."""
    rows: int
    """The height of the field of its message."""
    sound: str
    """The sound of a predefined template."""
    predefined: str
    """The message of a predefined template, as `texts.predefined.Texts` names it."""

    mode: Mode
    """What the values in its message may carry."""
    limit: int
    """How long a text may get, in characters, or `in_bytes`; its transport measures what it sends again."""
    in_bytes: bool
    in_segments: bool
    """Whether a text is paid for by its segments."""

    addresses: Addresses | None
    """None where it goes to the tokens of devices and nobody writes an address."""
    of_phones: bool
    """Whether it reaches a phone, so that the devices of a user count."""
    shared: bool
    """Whether one message can have several recipients who see each other."""
    needs_server: bool
    """Whether it may be activated only when it has an active server."""

    preview: str
    """The HTML template of its preview."""
    no_server: str
    none_set_up: str
    set_up: str
    """What is to be done about it, where people can do it; else empty."""


TRAITS: Mapping[ChannelKind, Traits] = {
    ChannelKind.SMTP: Traits(
        name="SMTP",
        panel=2,
        own=("sender", "recipient"),
        own_below=False,
        texts=("subject", "message", "html"),
        required=frozenset({"recipient", "subject"}),
        rows=8,
        sound="",
        predefined="mail",
        mode=Mode.TEXT,
        limit=100_000,
        in_bytes=False,
        in_segments=False,
        addresses=Addresses(AddressKind.MAIL, "mail", lambda text, _country: mail_address.normalise(text)),
        of_phones=False,
        shared=True,
        needs_server=True,
        preview="templates_app/preview_letter.html",
        no_server=_("No SMTP server is active, so this channel sends nothing."),
        none_set_up=_("No SMTP server has been set up. Templates can send mail only once there is one."),
        set_up=_("Set up SMTP server"),
    ),
    ChannelKind.SMS: Traits(
        name="SMS",
        panel=3,
        own=("recipient",),
        own_below=False,
        texts=("message",),
        required=frozenset({"recipient", "message"}),
        rows=4,
        sound="",
        predefined="sms",
        mode=Mode.SMS,
        limit=1_600,
        in_bytes=False,
        in_segments=True,
        addresses=Addresses(
            AddressKind.PHONE, "mobile", lambda text, country: phone_number.normalise(text, country=country)
        ),
        of_phones=True,
        shared=False,
        needs_server=True,
        preview="templates_app/preview_bubble.html",
        no_server=_("No SMS gateway is active, so this channel sends nothing."),
        none_set_up=_("No SMS gateway has been set up. Templates can send SMS only once there is one."),
        set_up=_("Set up SMS gateway"),
    ),
    ChannelKind.SECURE_HUB: Traits(
        name="Secure Hub",
        panel=1,
        own=("sound",),
        own_below=True,
        texts=("message",),
        required=frozenset({"message"}),
        rows=4,
        sound="default",
        predefined="push",
        mode=Mode.TEXT,
        limit=4_096,
        in_bytes=True,
        in_segments=False,
        addresses=None,
        of_phones=True,
        shared=False,
        needs_server=False,
        preview="templates_app/preview_push.html",
        no_server=_("No push service is active, so this channel sends nothing yet."),
        none_set_up=_("No push service has been set up. Templates can send to Secure Hub only once there is one."),
        set_up="",
    ),
}

CHANNELS = tuple(TRAITS)
"""In the order in which the pages show them."""
PANELS = tuple(sorted(CHANNELS, key=lambda kind: TRAITS[kind].panel))
"""In the order in which the form has them."""
ADDRESSED = {kind: traits.addresses for kind, traits in TRAITS.items() if traits.addresses}
"""Those with a Recipient."""
MAILED = tuple(kind for kind, addresses in ADDRESSED.items() if addresses.kind is AddressKind.MAIL)
