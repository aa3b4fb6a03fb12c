"""The bodies of servers: what each kind is set to, what is told of them, how a test went."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, defstruct, structs

from api.v1.bodies import Flag, Text

Number = int | None | UnsetType


class SmtpFields(Struct, forbid_unknown_fields=True):
    """An SMTP server's fields: named ones are set, absent ones stay, null gives the default or clears a secret.

    A secret stays with its server: with another host (or token endpoint) it has to be given again.
    """

    name: Text = UNSET
    description: Text = UNSET
    host: Text = UNSET
    security: Literal["none", "ssl", "tls"] | UnsetType | None = UNSET
    port: Number = UNSET
    authentication: Flag = UNSET
    username: Text = UNSET
    password: Text = UNSET
    spa: Flag = UNSET
    ntlm_v1: Flag = UNSET
    from_name: Text = UNSET
    from_email: Text = UNSET
    retries: Number = UNSET
    timeout: Number = UNSET
    max_recipients: Number = UNSET
    ca_bundle: Text = UNSET
    tls_minimum: Literal["1.2", "1.3"] | UnsetType | None = UNSET
    verify_certificate: Flag = UNSET
    mechanism: Literal["AUTO", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"] | UnsetType | None = UNSET
    oauth_token_url: Text = UNSET
    oauth_client_id: Text = UNSET
    oauth_client_secret: Text = UNSET
    oauth_scope: Text = UNSET
    envelope_sender: Text = UNSET
    messages_per_connection: Number = UNSET
    pipelining: Literal["auto", "off"] | UnsetType | None = UNSET
    connections: Number = UNSET
    rate_limit: Number = UNSET
    sign_ins_after_refusal: Number = UNSET


class SmsFields(Struct, forbid_unknown_fields=True):
    """An SMS gateway's fields: named ones are set, absent ones stay, null gives the default or clears a secret.

    `country` is ISO 3166, such as US. Without `https`, `unencrypted_accepted` has to be true. A secret stays with its
    server: with another `base_url` it has to be given again.
    """

    name: Text = UNSET
    description: Text = UNSET
    key: Text = UNSET
    secret: Text = UNSET
    virtual_number: Text = UNSET
    https: Flag = UNSET
    unencrypted_accepted: Flag = UNSET
    country: Text = UNSET
    sender_name: Text = UNSET
    use_carrier_gateways: Flag = UNSET
    retries: Number = UNSET
    timeout: Number = UNSET
    connections: Number = UNSET
    rate_limit: Number = UNSET
    sign_ins_after_refusal: Number = UNSET
    base_url: Text = UNSET
    signature_method: Literal["", "sha256", "sha512"] | UnsetType | None = UNSET
    signature_secret: Text = UNSET


class NewSmtpServer(SmtpFields, forbid_unknown_fields=True, tag_field="kind", tag="smtp"):
    """A new SMTP server."""


class NewSmsGateway(SmsFields, forbid_unknown_fields=True, tag_field="kind", tag="sms"):
    """A new SMS gateway."""


NewServer = NewSmtpServer | NewSmsGateway
_FIELDS = (*structs.fields(SmtpFields), *structs.fields(SmsFields))


ServerFields = defstruct(
    "ServerFields",
    [
        *((field.name, field.type, UNSET) for field in {each.name: each for each in _FIELDS}.values()),
        ("revision", int | UnsetType, UNSET),
    ],
    namespace={
        "__doc__": "The fields of an SMTP server or of an SMS gateway; those of the other kind are refused. With "
        "`revision`, the one that was read, nobody else's change since then is overwritten."
    },
    module=__name__,
    forbid_unknown_fields=True,
)


class LearnedBody(Struct):
    """What the server was seen to do, until it is forgotten after 7 days or by hand: `session_limit` messages on one
    connection, no pipelining although it offers it; null where nothing was seen. The replies are its own words.
    """

    session_limit: int | None
    session_limit_at: datetime | None
    session_limit_reply: str
    unpipelined_at: datetime | None
    unpipelined_reply: str


class ServerSummary(Struct):
    """`settings` are the fields of an SMTP server or SMS gateway; of a secret it tells whether it is set.

    The scope `admin` sees `receipt_address` of an SMS gateway too. Times are null if never.
    """

    id: int
    kind: str
    name: str
    description: str
    active: bool
    revision: int
    last_test_at: datetime | None
    last_test_passed: bool | None
    paused_until: datetime | None
    stopped_at: datetime | None
    trouble_code: str
    trouble_detail: str
    learned: LearnedBody
    settings: dict[str, str | int | bool] | None
    warnings: dict[str, str]


class ServersBody(Struct):
    servers: list[ServerSummary]


class TestBody(Struct, forbid_unknown_fields=True):
    """Where the one real test message goes: a mail address, or a phone number for an SMS gateway."""

    to: str


class StageBody(Struct):
    name: str
    ok: bool
    duration_ms: int
    detail: str
    cause: str
    hint: str
    code: str


class TestDetail(Struct):
    """`passed` is null until it ended; read it again until then."""

    id: UUID
    to: str
    started_at: datetime
    finished_at: datetime | None
    passed: bool | None
    stages: list[StageBody]
