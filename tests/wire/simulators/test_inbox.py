"""The inbox page over real HTTP."""

import http.client
from email.message import EmailMessage
from urllib.parse import urlencode

import pytest

from simulators.faults import Fault, Reply, SmsStep, Step
from simulators.inbox import InboxPage
from simulators.mailbox import Envelope
from simulators.nexmo import NexmoSimulator
from simulators.smtp import SmtpSimulator
from simulators.smtp_session import Profile
from tests import waiting


@pytest.fixture
def simulator():
    with SmtpSimulator() as server:
        yield server


@pytest.fixture
def page(simulator):
    with InboxPage(simulator) as server:
        yield server


def ask(page, path, *, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=waiting.PATIENCE)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def post(page, **form):
    return ask(page, "/faults", method="POST", body=urlencode(form))[0].status


def put_mail(simulator, *, subject="Hello", text="Text", html=""):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "from@example.com", "to@example.com"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    simulator.inbox.add(Envelope("from@example.com", ("<b>@x",)), raw=message.as_bytes(), message_id="<1@x>")


def test_the_list_shows_mails_escaped(page, simulator):
    put_mail(simulator, subject="<script>alert(1)</script>")
    response, html = ask(page, "/")
    assert response.status == 200
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "&lt;b&gt;@x" in html
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_mail_shows_its_text_and_its_html_only_in_a_sandboxed_frame(page, simulator):
    put_mail(simulator, text="plain & simple", html="<p>rich</p><script>alert(1)</script>")
    _, html = ask(page, "/mail/1")
    assert "plain &amp; simple" in html
    assert '<iframe sandbox title="HTML of this mail" src="/mail/1/html">' in html
    assert "rich" not in html
    response, framed = ask(page, "/mail/1/html")
    assert "<p>rich</p>" in framed
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_the_raw_text_is_plain(page, simulator):
    put_mail(simulator)
    response, raw = ask(page, "/mail/1/raw")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Subject: Hello" in raw


@pytest.mark.parametrize(
    "path", ["/mail/2", "/mail/1/other", "/mail/1/raw/x", "/mail/x", "/mail/" + "9" * 30, "/nothing"]
)
def test_unknown_addresses_are_not_found(page, simulator, path):
    put_mail(simulator)
    assert ask(page, path)[0].status == 404


def test_a_fault_is_ordered_shown_and_cleared(page, simulator):
    status = post(page, do="order", step="rcpt", action="550 no such user", times="2", skip="1", matching="*@x")
    assert status == 303
    fault = Fault(Step.RCPT, Reply(550, "5.1.1 No such user here"), times=2, skip=1, matching="*@x")
    assert simulator.faults.standing() == (fault,)
    assert "rcpt: 550 no such user, 2 times, after 1, for *@x" in ask(page, "/faults")[1]
    assert post(page, do="clear") == 303
    assert simulator.faults.standing() == ()


def test_connections_are_refused_and_accepted_by_button(page, simulator):
    assert post(page, do="refuse") == 303
    assert simulator.refusing
    shown = ask(page, "/faults")[1]
    assert "Accept connections again" in shown
    assert "<li>connections are refused" in shown
    assert post(page, do="accept") == 303
    assert not simulator.refusing
    assert "<li>none</li>" in ask(page, "/faults")[1]


def test_clearing_the_orders_has_connections_accepted_again(page, simulator):
    post(page, do="refuse")
    assert post(page, do="clear") == 303
    assert not simulator.refusing


@pytest.mark.parametrize("anybody", [True, False])
def test_only_faults_that_can_strike_are_offered(anybody):
    with SmtpSimulator(profile=Profile(anybody=anybody)) as server, InboxPage(server) as shown:
        html = ask(shown, "/faults")[1]
        assert ("<option>auth</option>" in html) is anybody
        assert "<option>starttls</option>" not in html
        assert post(shown, do="order", step="auth", action="535 credentials refused") == (303 if anybody else 422)
        assert post(shown, do="order", step="starttls", action="hang") == 422


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"do": "other"},
        {"do": "order", "step": "nowhere", "action": "hang"},
        {"do": "order", "step": "mail", "action": "other"},
        {"do": "order", "step": "mail", "action": "hang", "times": "-1"},
    ],
)
def test_a_form_that_is_not_ours_is_refused(page, simulator, form):
    assert post(page, **form) == 422
    assert simulator.faults.standing() == ()


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}]
)
def test_a_foreign_site_orders_nothing(page, simulator, headers):
    response, _ = ask(page, "/faults", method="POST", body="do=refuse", **headers)
    assert response.status == 403
    assert not simulator.refusing


def test_a_rebound_name_reads_nothing(page):
    assert ask(page, "/", Host="evil.example")[0].status == 403


def test_a_taken_port_is_an_error_at_once(page, simulator):
    with pytest.raises(OSError, match="in use"):
        InboxPage(simulator, port=page.port)


@pytest.fixture
def nexmo():
    with NexmoSimulator() as server:
        yield server


def test_the_phone_shows_texts_escaped_and_orders_their_faults_and_receipts(simulator, nexmo):
    with InboxPage(simulator, nexmo=nexmo) as page:
        nexmo.phone.add(
            to="447700900123", sender="<i>", encoding="GSM-7", parts=("<b>hi", "!"), ids=("A", "B"), client_ref="r"
        )
        html = ask(page, "/phone")[1]
        assert "&lt;b&gt;hi!" in html
        assert "from &lt;i&gt;, 2 parts, GSM-7" in html
        assert post(page, do="order-sms", step="sms take", sms_action="9 out of credit", times="0", skip="2") == 303
        assert nexmo.faults.standing() == (Fault(SmsStep.TAKE, Reply(9), times=None, skip=2),)
        assert "sms take: 9 out of credit, always, after 2" in ask(page, "/faults")[1]
        assert post(page, do="receipts", receipts="twice") == 303
        assert nexmo.receipts.order.times == 2
        assert post(page, do="clear") == 303
        assert nexmo.faults.standing() == ()


def test_the_phone_shows_mails_to_numbers_among_the_texts_as_a_carrier_passes_them_on(simulator, nexmo):
    with InboxPage(simulator, nexmo=nexmo) as page:
        nexmo.phone.add(to="447700900123", sender="x", encoding="GSM-7", parts=("First",), ids=("A",), client_ref="r")
        raw = b"From: from@example.com\r\n\r\n<b>Second\r\n"
        to = ("TwoWay.7700900456@sms.example.com", "+447700900456@sms.example.com")
        simulator.inbox.add(Envelope("from@example.com", to), raw=raw, message_id="<1@x>")
        simulator.inbox.add(Envelope("from@example.com", ("ada.keller42@example.com",)), raw=raw, message_id="<2@x>")
        html = ask(page, "/phone")[1]
        assert "1 came through the SMS service and 2 as mail through a carrier" in html
        assert html.count("<pre>&lt;b&gt;Second</pre>") == 2
        assert all(f'<a href="/mail/1">mail to {address}</a>' in html for address in to)
        assert html.index("Second") < html.index("First")
        assert "ada.keller42" not in html


def test_without_an_sms_service_there_is_no_phone(page):
    assert ask(page, "/phone")[0].status == 404
    assert post(page, do="order-sms", step="sms take", sms_action="9 out of credit") == 422
