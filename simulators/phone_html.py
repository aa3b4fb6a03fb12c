"""The pages of the simulated phones: texts as their recipients see them, and faults of the SMS service to order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from simulators.faults import Action, Delay, Drop, Hang, Page, Reply, SmsStep, Trickle
from simulators.inbox_html import body, options, page
from simulators.mailbox import Mail
from simulators.nexmo_receipts import Order
from simulators.phone import Text

_PHONE = re.compile(r"\+?\d{7,15}@")
"""The end of a number before the @: a carrier makes a text of a mail to such an address."""
ACTIONS: dict[str, Action] = {
    "1 throttled": Reply(1),
    "4 bad credentials": Reply(4),
    "5 internal error": Reply(5),
    "6 unroutable": Reply(6),
    "7 number barred": Reply(7),
    "8 account suspended": Reply(8),
    "9 out of credit": Reply(9),
    "14 invalid signature": Reply(14),
    "15 sender not allowed": Reply(15),
    "29 not a test number": Reply(29),
    "HTTP 429, come back in 5 s": Reply(429, "5"),
    "HTTP 500": Reply(500),
    "HTTP 503": Reply(503),
    "a log-in page": Page(),
    "drop the connection": Drop(),
    "reset the connection": Drop(reset=True),
    "hang": Hang(),
    "wait 5 seconds": Delay(5.0),
    "answer a byte a second": Trickle(1.0),
}
ORDERS: dict[str, Order] = {
    "delivered": Order(),
    "none at all": Order(statuses=()),
    "failed, phone absent": Order(statuses=("failed",), err_code="3"),
    "ten seconds late": Order(delay=10.0),
    "twice": Order(times=2),
    "buffered, then delivered": Order(statuses=("buffered", "delivered")),
    "out of order": Order(statuses=("buffered", "delivered"), reverse=True),
    "before the answer": Order(before_answer=True),
    "forged: no signature": Order(forged="none"),
    "forged: wrong signature": Order(forged="wrong"),
    "forged: old signature": Order(forged="old"),
}


def text_list(texts: Sequence[Text], *, mails: Sequence[Mail]) -> str:
    """The texts that the SMS service took and the `mails` to numbers, as a carrier would pass them on."""
    carried = [(mail, to) for mail in mails for to in mail.envelope.recipients if _PHONE.search(to)]
    timed = [(text.received_at, _row(text)) for text in texts]
    timed += [(mail.received_at, _carried(mail, to=to)) for mail, to in carried]
    rows = "".join(row for _, row in sorted(timed, reverse=True))
    empty = "" if rows else "<p>No text yet. This page looks again every five seconds.</p>"
    words = f"Over all phones, {len(texts)} came through the SMS service and {len(carried)} as mail through a carrier."
    return page(
        "Phone",
        f'<p class="soft">{words}</p>{empty}<ol class="mails">{rows}</ol>',
        refresh='<meta http-equiv="refresh" content="5">',
    )


def fault_forms(*, order: Order) -> str:
    """What is added to the page of faults."""
    receipts = next((name for name, known in ORDERS.items() if known == order), "as ordered elsewhere")
    return (
        '<h2>SMS service</h2><form method="post" action="/faults">'
        f'<label>At <select name="step">{options(step.value for step in SmsStep)}</select></label>'
        f'<label>Do <select name="sms_action">{options(ACTIONS)}</select></label>'
        '<label>How often (0: always) <input name="times" type="number" min="0" value="1"></label>'
        '<label>Let pass first <input name="skip" type="number" min="0" value="0"></label>'
        '<label>Only for numbers like <input name="matching" placeholder="44*"></label>'
        '<button name="do" value="order-sms">Order</button></form>'
        f'<h2>Receipts</h2><p>Now: {escape(receipts)}.</p><form class="row" method="post" action="/faults">'
        f'<label>From now on <select name="receipts">{options(ORDERS)}</select></label>'
        '<button name="do" value="receipts">Order</button></form>'
    )


def _carried(mail: Mail, *, to: str) -> str:
    time = mail.received_at.strftime("%H:%M:%S")
    return (
        f"<li><pre>{escape(body(mail, kind='plain').rstrip())}</pre>"
        f'<div class="soft">{time} UTC as a <a href="/mail/{mail.number}">mail to {escape(to)}</a> '
        f"from {escape(mail.envelope.sender)}</div></li>"
    )


def _row(text: Text) -> str:
    time = text.received_at.strftime("%H:%M:%S")
    parts = f"{len(text.parts)} parts" if len(text.parts) > 1 else "1 part"
    return (
        f"<li><pre>{escape(text.text)}</pre>"
        f'<div class="soft">{time} UTC to +{escape(text.to)} from {escape(text.sender)}, '
        f"{parts}, {text.encoding}</div></li>"
    )
