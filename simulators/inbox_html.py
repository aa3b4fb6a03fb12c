"""The inbox page's HTML: everything that came by mail is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from simulators.faults import Action, Delay, Drop, Fault, Hang, Reply, Step, Trickle
from simulators.mailbox import Mail

ACTIONS: dict[str, Action] = {
    "451 try again later": Reply(451, "4.3.0 Try again later"),
    "450 greylisted": Reply(450, "4.7.1 Greylisted, try again later"),
    "452 too many recipients": Reply(452, "4.5.3 Too many recipients"),
    "452 storage full": Reply(452, "4.3.1 Out of storage"),
    "535 credentials refused": Reply(535, "5.7.8 Authentication credentials invalid"),
    "550 no such user": Reply(550, "5.1.1 No such user here"),
    "552 too big": Reply(552, "5.3.4 Message is too big"),
    "554 refused": Reply(554, "5.7.1 Transaction refused"),
    "421 shutting down": Reply(421, "4.3.2 Service is shutting down"),
    "drop the connection": Drop(),
    "reset the connection": Drop(reset=True),
    "hang": Hang(),
    "wait 5 seconds": Delay(5.0),
    "wait 60 seconds": Delay(60.0),
    "answer a byte a second": Trickle(1.0),
}

STYLE = """
:root { color-scheme: light dark; --line: #8886; --ground: #fff; --ink: #1a1c1e; --soft: #5b6168; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181b; --ink: #e6e8ea; --soft: #a2a9b0; --link: #8ab8ee; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); }
nav { display: flex; gap: 1rem; border-bottom: 1px solid var(--line); padding-bottom: .5rem; }
h1 { font-size: 1.4rem; }
ol.mails { list-style: none; padding: 0; }
ol.mails li { border-bottom: 1px solid var(--line); padding: .5rem 0; }
.soft, dt { color: var(--soft); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dd { margin: 0; }
pre { white-space: pre-wrap; border: 1px solid var(--line); padding: .75rem; border-radius: .25rem; }
iframe { width: 100%; height: 24rem; border: 1px solid var(--line); background: #fff; border-radius: .25rem; }
form { display: grid; gap: .75rem; max-width: 24rem; margin: 1rem 0; }
form.row { display: flex; flex-wrap: wrap; max-width: none; }
label { display: grid; gap: .25rem; }
input, select, button { font: inherit; min-height: 2.75rem; padding: .25rem .5rem; }
"""


def mail_list(mails: Sequence[Mail], *, count: int) -> str:
    rows = "".join(_row(mail) for mail in reversed(mails))
    kept = f", the newest {len(mails)} are kept" if len(mails) < count else ""
    empty = "" if mails else "<p>No mail yet. This page looks again every five seconds.</p>"
    return page(
        "Inbox",
        f'<p class="soft">{count} mails accepted{kept}.</p>{empty}<ol class="mails">{rows}</ol>',
        refresh='<meta http-equiv="refresh" content="5">',
    )


def mail_page(mail: Mail) -> str:
    envelope, message = mail.envelope, mail.parsed()
    facts = {
        "From": message.get("From", ""),
        "To": message.get("To", ""),
        "Envelope from": envelope.sender,
        "Envelope to": ", ".join(envelope.recipients),
        "Received": mail.received_at.isoformat(sep=" ", timespec="milliseconds"),
        "Message-ID": mail.message_id,
        "Signed in as": envelope.user or "nobody",
        "Transport": "TLS" if envelope.encrypted else "clear text",
    }
    table = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    html = (
        f'<h2>HTML</h2><iframe sandbox title="HTML of this mail" src="/mail/{mail.number}/html"></iframe>'
        if body(mail, kind="html")
        else ""
    )
    return page(
        _subject(mail),
        f"<dl>{table}</dl><h2>Text</h2><pre>{escape(body(mail, kind='plain'))}</pre>{html}"
        f'<p><a href="/mail/{mail.number}/raw">Raw text</a></p>',
    )


def fault_form(
    standing: Sequence[Fault],
    *,
    steps: Iterable[Step],
    refusing: bool,
    more: str = "",
    named: Mapping[str, Action] = ACTIONS,
) -> str:
    """`more` is added at the end; `named` has the names of all actions that may stand."""
    words = [_order_text(fault, named=named) for fault in standing]
    words += ["connections are refused, until they are accepted again or orders are cleared"] if refusing else []
    orders = "".join(f"<li>{escape(each)}</li>" for each in words) or "<li>none</li>"
    port = ("accept", "Accept connections again") if refusing else ("refuse", "Refuse connections")
    return page(
        "Faults",
        f"<h2>Standing orders</h2><ul>{orders}</ul>"
        f'<form class="row" method="post" action="/faults"><button name="do" value="clear">Clear orders</button>'
        f'<button name="do" value="{port[0]}">{port[1]}</button>'
        '<button name="do" value="disconnect">Cut open connections</button></form>'
        '<h2>Order a fault</h2><form method="post" action="/faults">'
        f'<label>At <select name="step">{options(step.value for step in steps)}</select></label>'
        f'<label>Do <select name="action">{options(ACTIONS)}</select></label>'
        '<label>How often (0: always) <input name="times" type="number" min="0" value="1"></label>'
        '<label>Let pass first <input name="skip" type="number" min="0" value="0"></label>'
        '<label>Only for recipients like <input name="matching" placeholder="*@example.com"></label>'
        f'<button name="do" value="order">Order</button></form>{more}',
    )


def options(names: Iterable[str]) -> str:
    return "".join(f"<option>{escape(name)}</option>" for name in names)


def problem(phrase: str) -> str:
    return page(phrase, "<p>Nothing to see at this address.</p>")


def body(mail: Mail, *, kind: str) -> str:
    """The mail's text of a kind, "plain" or "html"; empty when it has none."""
    part = mail.parsed().get_body((kind,))
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")


def _row(mail: Mail) -> str:
    to = escape(", ".join(mail.envelope.recipients[:3]))
    more = f" and {len(mail.envelope.recipients) - 3} more" if len(mail.envelope.recipients) > 3 else ""
    time = mail.received_at.strftime("%H:%M:%S")
    return (
        f'<li><a href="/mail/{mail.number}">{escape(_subject(mail))}</a>'
        f'<div class="soft">{time} UTC to {to}{more}</div></li>'
    )


def _subject(mail: Mail) -> str:
    return str(mail.parsed().get("Subject", "")) or "(no subject)"


def _order_text(fault: Fault, *, named: Mapping[str, Action]) -> str:
    action = next((name for name, action in named.items() if action == fault.action), str(fault.action))
    times = {None: "always", 1: "once"}.get(fault.times, f"{fault.times} times")
    after = f", after {fault.skip}" if fault.skip else ""
    only = f", for {fault.matching}" if fault.matching else ""
    return f"{fault.step.value}: {action}, {times}{after}{only}"


def page(title: str, content: str, *, refresh: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}<title>{escape(title)}</title>'
        '<link rel="stylesheet" href="/style.css"></head><body>'
        '<nav><a href="/">Inbox</a><a href="/phone">Phone</a><a href="/faults">Faults</a></nav>'
        f"<main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
