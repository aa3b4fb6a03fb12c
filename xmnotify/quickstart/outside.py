"""What the quick start has for the outside world: a simulated mail server and SMS service, with their page."""

from __future__ import annotations

import signal
from pathlib import Path

from simulators.inbox import InboxPage
from simulators.nexmo import NexmoSimulator
from simulators.smtp import SmtpSimulator
from simulators.smtp_session import Profile

MAIL_LEDGER, SMS_LEDGER = "inbox.ledger", "phone.ledger"
_IDLE_SECONDS = 0.5


def serve(*, smtp_port: int, sms_port: int, inbox_port: int, receipts_to: str, var: Path) -> None:
    """The simulated mail server and SMS service with their page, until SIGTERM. The ledgers begin anew.

    `receipts_to` is the address of this machine that the web listens on.
    """
    mails, texts = var / MAIL_LEDGER, var / SMS_LEDGER
    for ledger in (mails, texts):
        ledger.unlink(missing_ok=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with (
        SmtpSimulator(port=smtp_port, profile=Profile(anybody=True), ledger=mails) as smtp,
        NexmoSimulator(port=sms_port, ledger=texts, receipts_to=receipts_to, look=_IDLE_SECONDS) as nexmo,
        InboxPage(smtp, nexmo=nexmo, port=inbox_port, look=_IDLE_SECONDS),
    ):
        signal.sigwait({signal.SIGTERM})
