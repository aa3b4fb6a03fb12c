import threading

import pytest

from simulators.mailbox import Envelope, Inbox, Ledger, message_id_of, read_ledger
from tests import waiting

ENVELOPE = Envelope("from@example.com", ("to@example.com",))


def test_the_inbox_keeps_the_newest_and_counts_all():
    inbox = Inbox(most=2)
    for number in range(3):
        inbox.add(ENVELOPE, raw=b"%d" % number, message_id="")
    assert [mail.raw for mail in inbox.mails()] == [b"1", b"2"]
    assert inbox.count == 3
    assert inbox.find(1) is None
    assert inbox.find(3).raw == b"2"


def test_the_inbox_is_bounded_in_bytes_but_keeps_the_last_mail():
    inbox = Inbox(most_bytes=10)
    for raw in (b"12345", b"12345", b"12345", b"x" * 100):
        inbox.add(ENVELOPE, raw=raw, message_id="")
    assert [mail.raw for mail in inbox.mails()] == [b"x" * 100]


def test_waiting_sees_a_mail_that_came_before():
    inbox = Inbox()
    inbox.add(ENVELOPE, raw=b"here", message_id="")
    assert inbox.wait_for(lambda mail: mail.raw == b"here", timeout=0).number == 1


def test_waiting_wakes_when_the_mail_comes():
    inbox = Inbox()
    asked = threading.Event()

    def is_second(mail):
        asked.set()
        return mail.number == 2

    inbox.add(ENVELOPE, raw=b"first", message_id="")
    adder = threading.Thread(
        target=lambda: asked.wait(waiting.PATIENCE) and inbox.add(ENVELOPE, raw=b"second", message_id="")
    )
    adder.start()
    assert inbox.wait_for(is_second, timeout=waiting.PATIENCE).raw == b"second"
    adder.join()


def test_waiting_in_vain_says_so():
    inbox = Inbox()
    with pytest.raises(TimeoutError, match="0 came"):
        inbox.wait_for(lambda mail: True, timeout=0)
    with pytest.raises(TimeoutError):
        inbox.wait_until_count(1, timeout=0)


def test_clearing_keeps_the_count():
    inbox = Inbox()
    inbox.add(ENVELOPE, raw=b"", message_id="")
    inbox.clear()
    assert (inbox.mails(), inbox.count) == ([], 1)


def test_the_ledger_has_a_line_per_recipient_and_survives_reopening(tmp_path):
    path = tmp_path / "ledger"
    assert read_ledger(path) == []
    for message_id in ("<1@x>", "<2@x>"):
        ledger = Ledger(path)
        ledger.add(message_id, recipients=("a@x", "b@x"))
        ledger.close()
    assert read_ledger(path) == [("<1@x>", "a@x"), ("<1@x>", "b@x"), ("<2@x>", "a@x"), ("<2@x>", "b@x")]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Subject: x\r\nMessage-ID: <1@x>\r\n\r\ntext", "<1@x>"),
        (b"MESSAGE-id:\r\n <folded@x>\r\nSubject: x\r\n\r\n", "<folded@x>"),
        (b"Subject: x\r\n\r\nMessage-ID: <body@x>\r\n", ""),
        (b"", ""),
    ],
)
def test_the_message_id_is_read_from_the_header_only(raw, expected):
    assert message_id_of(raw) == expected
