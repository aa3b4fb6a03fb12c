from __future__ import annotations

import email.policy
import string
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transports.smtp.mail import MailBuilder
from transports.types import AddressKind, Message, Recipient

KEY = UUID("12345678-1234-5678-1234-567812345678")
DATE = datetime(2026, 11, 22, 13, 14, 15, tzinfo=UTC)
BUILDER = MailBuilder(from_email="noreply@example.com", from_name="Corporate IT", message_id_domain="")
ANNA = Recipient(AddressKind.MAIL, "anna@example.org")
BERT = Recipient(AddressKind.MAIL, "bert@example.org", "Bert B.")

printable = st.text(string.ascii_letters + string.digits + string.punctuation + " ")
anything = st.text(st.characters(exclude_categories=()))


def mail(
    *,
    subject: str = "Hi",
    text: str = "Hello\n",
    html: str = "",
    sender: Recipient | None = None,
    visible_to: tuple[Recipient, ...] = (),
    date: datetime = DATE,
    bare: bool = False,
) -> Message:
    return Message(KEY, subject, text, date, html=html, sender=sender, visible_to=visible_to, bare=bare)


def parsed(message: Message, *, to: tuple[Recipient, ...] = (ANNA,)) -> EmailMessage:
    found = message_from_bytes(BUILDER.build(message, to=to), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(part: EmailMessage) -> list[str]:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode("utf-8").split("\r\n")


def lines(text: str) -> list[str]:
    """The lines of a text as it is meant to arrive."""
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    return (normal if normal.endswith("\n") else normal + "\n").encode("utf-8", "replace").decode().split("\n")


@given(subject=printable.filter(lambda text: "=?" not in text and text[:60].strip()), body=st.lists(printable))
def test_a_plain_mail_has_the_bytes_that_the_email_package_makes(subject: str, body: list[str]) -> None:
    subject = subject[:60].strip()
    body = [line[:70] for line in body]
    expected = EmailMessage(policy=email.policy.SMTP)
    expected["From"] = "Corporate IT <noreply@example.com>"
    expected["To"] = "anna@example.org"
    expected["Subject"] = subject
    expected["Date"] = format_datetime(DATE)
    expected["Message-ID"] = f"<{KEY}@example.com>"
    expected["Auto-Submitted"] = "auto-generated"
    expected["X-Auto-Response-Suppress"] = "All"
    expected["MIME-Version"] = "1.0"
    expected.set_content("\n".join([*body, "the end"]), cte="7bit")
    assert BUILDER.build(mail(subject=subject, text="\n".join([*body, "the end"])), to=(ANNA,)) == expected.as_bytes()


@given(subject=anything, text=anything, html=anything)
@example(subject="=?utf-8?q?x?=", text="a" * 2000, html="\ud800 \x00")
@example(subject="long " * 50, text="From me\n.\n", html="ä" * 3000)
def test_whatever_it_says_arrives_and_every_line_fits(subject: str, text: str, html: str) -> None:
    octets = BUILDER.build(mail(subject=subject, text=text, html=html), to=(ANNA,))
    assert octets.isascii()
    assert octets.endswith(b"\r\n")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\0" not in octets
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    found = message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    bodies = [part for part in found.walk() if not part.is_multipart()]
    assert text_of(bodies[0]) == lines(text)
    assert len(bodies) == (2 if html else 1)
    if html:
        assert text_of(bodies[1]) == lines(html)
    head = octets.partition(b"\r\n\r\n")[0]
    assert head.count(b"\r\nSubject:") == 1
    assert all(line[:1] == b" " or b": " in line for line in head.split(b"\r\n"))


@pytest.mark.parametrize(
    "subject", ["Grüße", "Rechnung fällig ✓ " * 20, "=?utf-8?q?not_a_word?=", "👩‍👩‍👧 " * 30, "x" * 300]
)
def test_a_subject_arrives_as_it_was_written(subject: str) -> None:
    assert parsed(mail(subject=subject))["Subject"] == subject.strip()


@pytest.mark.parametrize("subject", ["Hi\r\nBcc: eve@example.org", "Hi\nX: y", "Hi\x00there", "Hi\u2028there"])
def test_a_subject_cannot_bring_headers(subject: str) -> None:
    found = parsed(mail(subject=subject))
    assert found["Bcc"] is None
    assert found["X"] is None
    assert found["Subject"].startswith("Hi ")


@given(name=anything.filter(lambda name: bool(name.strip())))
@example('"quoted" \\ name, with <brackets>')
@example("Zoë; Müller, " * 20)
def test_a_display_name_is_data(name: str) -> None:
    found = parsed(mail(), to=(Recipient(AddressKind.MAIL, "anna@example.org", name),))
    (address,) = found["To"].addresses
    assert address.addr_spec == "anna@example.org"


@pytest.mark.parametrize("name", ["Zoë Müller", 'The "Boss", Inc.', "Müller, Anna", "A" * 100, "Dr. No"])
def test_a_display_name_arrives_as_it_was_written(name: str) -> None:
    found = parsed(mail(), to=(Recipient(AddressKind.MAIL, "anna@example.org", name),))
    assert found["To"].addresses[0].display_name == name


@pytest.mark.parametrize(
    "address", ["a b@example.org", "a@example.org\r\nX: y", "a@b@c", "a@", "@b", "a", "a@-b.c", "a<b@c.d", "a\x00@b.c"]
)
def test_what_is_no_address_is_not_built(address: str) -> None:
    with pytest.raises(ValueError):
        BUILDER.build(mail(), to=(Recipient(AddressKind.MAIL, address),))


def test_one_recipient_sees_the_own_address_and_several_see_none() -> None:
    assert parsed(mail())["To"] == "anna@example.org"
    assert parsed(mail(), to=(ANNA, BERT))["To"] == "undisclosed-recipients:;"


def test_a_visible_list_shows_everybody() -> None:
    found = parsed(mail(visible_to=(ANNA, BERT)), to=(ANNA,))
    assert [address.addr_spec for address in found["To"].addresses] == ["anna@example.org", "bert@example.org"]


@pytest.mark.parametrize(
    ("sender", "origin", "answers"),
    [
        (None, "Corporate IT <noreply@example.com>", None),
        (Recipient(AddressKind.MAIL, "", "Help Desk"), "Help Desk <noreply@example.com>", None),
        (Recipient(AddressKind.MAIL, "help@example.com"), "help@example.com", "help@example.com"),
        (
            Recipient(AddressKind.MAIL, "help@example.com", "Help"),
            "Help <help@example.com>",
            "Help <help@example.com>",
        ),
    ],
)
def test_the_templates_sender_replaces_from_and_takes_the_answers(
    sender: Recipient | None, origin: str, answers: str | None
) -> None:
    found = parsed(mail(sender=sender))
    assert found["From"] == origin
    assert found["Reply-To"] == answers


def test_a_domain_outside_ascii_is_sent_in_ascii() -> None:
    found = BUILDER.build(mail(), to=(Recipient(AddressKind.MAIL, "anna@bücher.example"),))
    assert b"To: anna@xn--bcher-kva.example\r\n" in found


def test_the_same_message_has_the_same_bytes_on_every_try() -> None:
    message = mail(subject="Grüße", text="Grüße\n", html="<p>Grüße</p>")
    again = MailBuilder(from_email="noreply@example.com", from_name="Corporate IT", message_id_domain="")
    assert BUILDER.build(message, to=(ANNA,)) == again.build(message, to=(ANNA,))


def test_a_boundary_that_the_text_knows_is_not_used() -> None:
    text = f"--=_{KEY.hex}\n--=_{KEY.hex}--\n"
    found = parsed(mail(text=text, html="<p>x</p>"))
    parts = [part for part in found.walk() if not part.is_multipart()]
    assert len(parts) == 2
    assert text_of(parts[0]) == lines(text)


def test_automatic_mail_says_so() -> None:
    found = parsed(mail())
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["Message-ID"] == f"<{KEY}@example.com>"
    assert found["Date"] == "Sun, 22 Nov 2026 13:14:15 +0000"


def test_a_mail_that_becomes_an_sms_has_no_subject_and_no_names():
    bare = mail(subject="", text="First line\nZweite Zeile für später", bare=True, sender=BERT)
    found = parsed(bare, to=(Recipient(AddressKind.MAIL, "+14155552671@sms.example", "Anna A."),))
    assert (found["Subject"], found["From"], found["To"]) == (None, "noreply@example.com", "+14155552671@sms.example")
    assert found["Reply-To"] is None
    assert found["Message-ID"] == f"<{KEY}@example.com>"
    assert found.get_content_type() == "text/plain"
    assert text_of(found) == ["First line", "Zweite Zeile für später", ""]
