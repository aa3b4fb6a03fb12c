"""The line of toy services in the table of kinds: what they send stays in memory."""

from datetime import timedelta

from servers.kind import Kind, PreparedTest, TestBox
from servers.models import PushService
from servers.values import ServerKind
from tests.db.servers.toy.forms import ToyForm, clean
from transports.fake import FakeChannel
from transports.stages import Advice, StageName, failed, passed
from transports.types import AddressKind, Recipient, Sent

CHANNEL = FakeChannel()


def prepare_test(service):
    def run(message, to):
        wire = CHANNEL.prepare(message, (to,))
        ((_, result),) = CHANNEL.connect().send([wire])
        yield passed(StageName.CONNECT, timedelta(), "in memory", slow_hint="")
        outcome = result.outcomes[0]
        if isinstance(outcome, Sent):
            yield passed(StageName.ACCEPTED, timedelta(), outcome.provider_id, slow_hint="")
        else:
            yield failed(StageName.ACCEPTED, timedelta(), outcome.reason, advise(outcome.reason))

    return PreparedTest(
        config=(service.base_url, service.timeout),
        peer=(service.base_url,),
        timeout=timedelta(seconds=service.timeout),
        run=run,
        endpoint="memory",
        shown={"base_url": service.base_url},
        subject="%s",
        text="%(console)s tests “%(name)s”.",
    )


def advise(reason):
    return Advice("The toy says no.", "Ask it again.")


TOY = Kind(
    value=ServerKind.FCM,
    model=PushService,
    form=ToyForm,
    address="toy-service",
    label="Toy Service",
    add_title="Add Toy Service",
    note="It keeps what it gets.",
    test_box=TestBox("Send a test to the token", "text", 255, "off"),
    clean=clean,
    warnings=lambda service: {},
    channel=lambda service, experience: CHANNEL,
    prepare_test=prepare_test,
    recipient=lambda service, to: Recipient(AddressKind.FCM, to),
    advise=advise,
    endpoint=lambda service: "memory",
    security=lambda service: "None needed",
)
