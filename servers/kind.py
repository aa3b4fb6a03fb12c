"""What one kind of server is: all that is different from kind to kind, so that everything else is written once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Q
from msgspec import Struct

from console.kit.registry import User, Words
from foundation import fingerprints
from servers.forms import S, ServerForm
from servers.values import Experience, ServerKind
from transports.stages import Advice, Stage
from transports.types import Channel, Message, Reason, Recipient

MAY_TEST = "servers.change_server"
"""The permission that a test needs."""
NOTIFICATION_SERVER = "notification-server"
SECURE_HUB_PUSH = "secure-hub-push"
"""The two lists of servers, by the names of their addresses."""
MOST_SILENCE = timedelta(seconds=60)
"""How long a test waits for a peer that says nothing, whatever the server's own timeout is."""


class TestBox(Struct, frozen=True):
    """How a page asks where the one test message goes, or whom it is only checked for where it is not `sent`."""

    label: Words
    type: str
    longest: int
    autocomplete: str
    sent: bool = True


class Risk(Struct, frozen=True):
    """What Health warns of; `link` says what the server's page is opened for."""

    words: Words
    link: Words


class Absence(Struct, frozen=True):
    """What Health and every page say while no server of the kind is active."""

    subject: Words
    words: Words
    link: Words


class Provider(Struct, frozen=True):
    """A well-known service: `fields` are what the form is filled with, `steps` what is to be done over there first.

    User name and secrets are the customer's own. `limits` says what the service allows.
    """

    key: str
    name: str
    fields: Mapping[str, str | int | float | bool]
    steps: tuple[Words, ...] = ()
    limits: Words = ""


@dataclass(frozen=True, slots=True)
class PreparedTest:
    """A server's settings ready to be tested: those of equal settings are equal.

    Secrets are in `config` and `peer` alone; `peer` is whom it speaks to and how it signs in there. `timeout` is how
    long a silence is waited for; `shown` is for the audit trail; `subject` and `text` have places for the console's
    name, and `text` for the server's.
    """

    config: Any
    peer: tuple[Any, ...] = field(compare=False, repr=False)
    timeout: timedelta
    run: Callable[[Message, Recipient], Iterator[Stage]] = field(compare=False)
    endpoint: str = field(compare=False)
    shown: Mapping[str, Any] = field(compare=False)
    subject: str = field(compare=False)
    text: str = field(compare=False)

    @property
    def fingerprint(self) -> str:
        """Equal for equal settings, secrets included; no help to whoever would guess them."""
        return fingerprints.fingerprint(msgspec.json.encode(self.config, enc_hook=repr, order="deterministic"))


def _nothing(_server: Any) -> dict[str, Any]:
    return {}


def _no_words(_server: Any) -> Words:
    return ""


def _as_written(_server: Any, _to: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[S]):
    """One line of `servers.kinds`.

    `address` is the name of its page's URL, with "-add" and "-test" for the others. `clean` brings a server into its
    stored form, `warnings` says by field what is allowed and yet risky; both for console and interface. `prepare_test`
    raises ValidationError, by field, where the settings are of no use, `recipient` where a test can't go there;
    `reading` says how an address was read where that is not plain.

    `endpoint`, `security` and `unencrypted` (a warning in place of `security`) are what its list shows; `risks` are for
    Health, of active servers and of those that `watched` finds; `looked_at` are the fields that they are made from.
    `providers` are offered above the form of a new one. `private` are facts about a stored server for those alone who
    may change it, by name. `note` explains its fields in the description of the HTTP interface. `page` is the name of
    the list that it stands on.
    """

    value: ServerKind
    model: type[S]
    form: type[ServerForm[S]]
    address: str
    label: Words
    add_title: Words
    note: Words
    test_box: TestBox
    clean: Callable[[S], None]
    warnings: Callable[[S], dict[str, str]]
    channel: Callable[[S, Experience], Channel]
    prepare_test: Callable[[S], PreparedTest]
    recipient: Callable[[S, str], Recipient]
    reading: Callable[[S, str], str] = _as_written
    advise: Callable[[Reason], Advice]
    endpoint: Callable[[S], Words]
    security: Callable[[S], Words]
    unencrypted: Callable[[S], Words] = _no_words
    risks: Callable[[S], Iterator[Risk]] = lambda _server: iter(())
    watched: Q | None = None
    looked_at: tuple[str, ...] = ()
    absence: Absence | None = None
    warns_of_new: bool = True
    usual_test_to: Callable[[User], str] = lambda _user: ""
    template: str = "servers/form.html"
    page: str = NOTIFICATION_SERVER
    providers: tuple[Provider, ...] = ()
    private: Callable[[S], dict[str, Any]] = _nothing

    @property
    def model_name(self) -> str:
        """As permissions and columns of joins have it."""
        return str(self.model._meta.model_name)  # noqa: SLF001 - Django's documented name for it

    def test_recipient(self, server: S, *, to: str) -> Recipient:
        """Whom a test goes to; raises ValidationError for the field `to`."""
        try:
            return self.recipient(server, to)
        except ValidationError as error:
            raise ValidationError({"to": error}) from None

    def sends_otherwise(self, server: S, before: S) -> bool:
        """Whether other settings than before reach the peer. Settings of no use are taken for other ones."""
        now, then = self._prepared(server), self._prepared(before)
        return now is None or then is None or now.config != then.config

    def connects_otherwise(self, server: S, before: S) -> bool:
        """Whether it is another peer than before, or the same is reached or signed in to in another way."""
        now, then = self._prepared(server), self._prepared(before)
        return now is None or then is None or now.peer != then.peer

    def _prepared(self, server: S) -> PreparedTest | None:
        try:
            return self.prepare_test(server)
        except ValidationError:
            return None
