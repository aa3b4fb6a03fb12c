"""The simulated SMTP server against Python's smtplib and against bytes on a socket."""

import smtplib
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from simulators.faults import Delay, Drop, Fault, Hang, Reply, Step, Trickle
from simulators.mailbox import read_ledger
from simulators.smtp import SmtpSimulator
from simulators.smtp_session import Profile
from tests import waiting

TEXT = b"Message-ID: <1@example.com>\r\nSubject: Hello\r\n\r\nText\r\n"


@pytest.fixture
def simulator(tmp_path):
    with SmtpSimulator(ledger=tmp_path / "ledger") as server:
        yield server


@contextmanager
def client(server, *, timeout=waiting.PATIENCE):
    connection = smtplib.SMTP("127.0.0.1", server.port, local_hostname="client", timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def send(server, *to, text=TEXT):
    with client(server) as connection:
        return connection.sendmail("from@example.com", to or ("to@example.com",), text)


def talk(server, said):
    """Write everything in one go, read until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=waiting.PATIENCE) as line:
        line.sendall(said)
        return b"".join(iter(lambda: line.recv(65536), b""))


def codes(answer):
    return [int(line[:3]) for line in answer.splitlines() if line[3:4] == b" "]


def test_a_mail_arrives_with_envelope_text_and_ledger_line(simulator, tmp_path):
    assert send(simulator, "a@example.com", "b@example.com") == {}
    mail = simulator.inbox.wait_for(lambda mail: True, timeout=waiting.PATIENCE)
    assert (mail.envelope.sender, mail.envelope.recipients) == ("from@example.com", ("a@example.com", "b@example.com"))
    assert (mail.raw, mail.message_id) == (TEXT, "<1@example.com>")
    assert mail.parsed()["Subject"] == "Hello"
    assert read_ledger(tmp_path / "ledger") == [
        ("<1@example.com>", "a@example.com"),
        ("<1@example.com>", "b@example.com"),
    ]


def test_pipelined_transactions_in_one_write_are_all_taken(simulator):
    one = b"MAIL FROM:<f@x>\r\nRCPT TO:<t@x>\r\nDATA\r\n" + TEXT + b".\r\n"
    answer = talk(simulator, b"EHLO c\r\n" + one * 3 + b"QUIT\r\n")
    assert codes(answer) == [220, 250, *[250, 250, 354, 250] * 3, 221]
    assert simulator.inbox.count == 3


def test_a_text_that_comes_in_pieces_is_put_together_and_its_dots_unstuffed(simulator):
    said = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<t@x>\r\nDATA\r\n..a\r\n...\r\nb.\r\n.\r\nQUIT\r\n"
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=waiting.PATIENCE) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in said:
            line.sendall(bytes([byte]))
        while line.recv(65536):
            pass
    assert simulator.inbox.mails()[0].raw == b".a\r\n..\r\nb.\r\n"


def test_a_bare_line_feed_ends_no_text(simulator):
    said = b"EHLO c\r\nMAIL FROM:<f@x>\r\nRCPT TO:<t@x>\r\nDATA\r\na\n.\nb\r\n.\r\nQUIT\r\n"
    assert codes(talk(simulator, said))[-2:] == [250, 221]
    assert simulator.inbox.mails()[0].raw == b"a\n.\nb\r\n"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"MAIL FROM:<f@x>\r\n", 503),
        (b"EHLO c\r\nRCPT TO:<t@x>\r\n", 503),
        (b"EHLO c\r\nMAIL FROM:<f@x>\r\nDATA\r\n", 554),
        (b"EHLO c\r\nMAIL TO:<f@x>\r\n", 501),
        (b"EHLO c\r\nMAIL FROM:<f@x> SIZE=99999999999\r\n", 552),
        ("EHLO c\r\nMAIL FROM:<ü@x>\r\n".encode(), 553),
        (b"EHLO c\r\nAUTH PLAIN\r\n", 503),
        (b"EHLO c\r\nSTARTTLS\r\n", 502),
        (b"FOO\r\n", 500),
    ],
)
def test_wrong_commands_are_refused(simulator, said, code):
    assert codes(talk(simulator, said + b"QUIT\r\n"))[-2:] == [code, 221]


def test_the_recipient_limit_refuses_those_above_it(tmp_path):
    with SmtpSimulator(profile=Profile(max_recipients=2)) as server:
        refused = send(server, "a@x", "b@x", "c@x")
        assert refused == {"c@x": (452, b"4.5.3 Too many recipients")}
        assert server.inbox.mails()[0].envelope.recipients == ("a@x", "b@x")


def test_a_server_without_extensions_offers_none():
    with (
        SmtpSimulator(profile=Profile(pipelining=False, eight_bit=False, smtputf8=False)) as server,
        client(server) as c,
    ):
        c.ehlo()
        assert set(c.esmtp_features) == {"size", "enhancedstatuscodes"}


def test_anybody_may_sign_in_where_that_is_so_and_nobody_has_to():
    with SmtpSimulator(profile=Profile(anybody=True)) as server:
        with client(server) as connection:
            connection.sendmail("f@x", "t@x", TEXT)
        with client(server) as connection:
            connection.login("whoever", "whatever")
            connection.sendmail("f@x", "t@x", TEXT)
        assert [mail.envelope.user for mail in server.inbox.mails()] == ["", "whoever"]
        server.faults.order(Fault(Step.AUTH, Reply(535, "5.7.8 no"), times=None))
        with client(server) as connection, pytest.raises(smtplib.SMTPAuthenticationError):
            connection.login("whoever", "whatever")


def test_signing_in_is_asked_for_and_checked():
    with SmtpSimulator(profile=Profile(users={"ann": "right"})) as server:
        with client(server) as connection, pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            connection.sendmail("f@x", "t@x", TEXT)
        for mechanism in ("auth_plain", "auth_login"):
            with client(server) as connection:
                connection.ehlo()
                connection.user, connection.password = "ann", "wrong"
                name = mechanism.removeprefix("auth_").upper()
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    connection.auth(name, getattr(connection, mechanism))
                connection.password = "right"
                connection.auth(name, getattr(connection, mechanism))
                connection.sendmail("f@x", "t@x", TEXT)
        assert [mail.envelope.user for mail in server.inbox.mails()] == ["ann", "ann"]


@pytest.mark.parametrize("implicit", [False, True])
def test_tls_by_starttls_and_from_the_first_byte(implicit, certificate):
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    client_side = ssl.create_default_context(cafile=certificate)
    with SmtpSimulator(profile=Profile(tls=server_side, implicit_tls=implicit)) as server:
        connect = smtplib.SMTP_SSL if implicit else smtplib.SMTP
        more = {"context": client_side} if implicit else {}
        with closing(
            connect("localhost", server.port, local_hostname="client", timeout=waiting.PATIENCE, **more)
        ) as connection:
            if not implicit:
                connection.starttls(context=client_side)
            connection.sendmail("f@x", "t@x", TEXT)
        assert server.inbox.mails()[0].envelope.encrypted


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Step.BANNER, smtplib.SMTPConnectError),
        (Step.EHLO, smtplib.SMTPHeloError),
        (Step.MAIL, smtplib.SMTPSenderRefused),
        (Step.RCPT, smtplib.SMTPRecipientsRefused),
        (Step.DATA, smtplib.SMTPDataError),
        (Step.DOT, smtplib.SMTPDataError),
    ],
)
@pytest.mark.parametrize("code", [451, 554])
def test_a_reply_can_be_ordered_at_each_step_and_the_next_try_passes(simulator, step, error, code):
    simulator.faults.order(Fault(step, Reply(code, "4.0.0 Ordered"), times=2 if step is Step.EHLO else 1))
    with pytest.raises(error, match=str(code)):  # smtplib follows a refused EHLO with HELO, which counts as one too
        send(simulator)
    assert simulator.inbox.count == 0
    assert send(simulator) == {}


def test_421_closes(simulator):
    simulator.faults.order(Fault(Step.MAIL, Reply(421, "4.3.2 Closing")))
    assert codes(talk(simulator, b"EHLO c\r\nMAIL FROM:<f@x>\r\nNOOP\r\n")) == [220, 250, 421]


@pytest.mark.parametrize(
    "step", [Step.CONNECT, Step.BANNER, Step.EHLO, Step.MAIL, Step.RCPT, Step.DATA, Step.BODY, Step.DOT]
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_line_dropped_before_the_mail_is_stored_leaves_nothing(simulator, tmp_path, step, reset):
    simulator.faults.order(Fault(step, Drop(reset=reset)))
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(simulator)
    assert simulator.inbox.count == 0
    assert read_ledger(tmp_path / "ledger") == []


def test_a_line_dropped_after_the_dot_can_leave_the_mail_in_the_ledger(simulator, tmp_path):
    simulator.faults.order(Fault(Step.ACCEPTED, Drop()))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(simulator)
    assert read_ledger(tmp_path / "ledger") == [("<1@example.com>", "to@example.com")]


def test_only_matching_recipients_are_struck(simulator):
    simulator.faults.order(Fault(Step.RCPT, Reply(550, "5.1.1 No such user"), times=None, matching="bad*@x"))
    assert set(send(simulator, "bad1@x", "good@x", "bad2@x")) == {"bad1@x", "bad2@x"}
    assert simulator.inbox.mails()[0].envelope.recipients == ("good@x",)


def test_a_hanging_server_answers_nothing_more(simulator):
    simulator.faults.order(Fault(Step.MAIL, Hang()))
    with client(simulator, timeout=2) as connection, pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        connection.sendmail("f@x", "t@x", TEXT)


def test_a_delay_is_kept_and_the_rest_goes_on(simulator):
    simulator.faults.order(Fault(Step.DOT, Delay(0.2)))
    before = time.monotonic()
    assert send(simulator) == {}
    assert time.monotonic() - before >= 0.2


def test_a_trickled_reply_comes_a_byte_at_a_time_and_whole(simulator):
    simulator.faults.order(Fault(Step.MAIL, Trickle(0.005)))
    before = time.monotonic()
    assert send(simulator) == {}
    assert time.monotonic() - before >= 0.005 * len(b"250 2.0.0 OK\r\n")


def test_latency_holds_back_every_answer():
    with SmtpSimulator(profile=Profile(latency=0.05)) as server:
        before = time.monotonic()
        talk(server, b"EHLO c\r\nQUIT\r\n")
        assert time.monotonic() - before >= 0.05


def test_a_refusing_server_takes_no_connection_until_it_accepts_again(simulator):
    simulator.refuse()
    with pytest.raises(ConnectionRefusedError):
        send(simulator)
    simulator.accept()
    assert send(simulator) == {}


def test_open_lines_can_be_cut(simulator):
    with client(simulator) as connection:
        connection.ehlo()
        assert simulator.connections == 1
        simulator.disconnect()
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            connection.noop()
    assert simulator.connections == 0


def test_a_taken_port_is_an_error_at_once(simulator):
    with pytest.raises(OSError, match="in use"):
        SmtpSimulator(port=simulator.port).start()


def test_the_module_runs_as_a_process_of_its_own(tmp_path):
    ledger = tmp_path / "ledger"
    command = [sys.executable, "-m", "simulators.smtp", "--port", "0", "--ledger", str(ledger)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline().removeprefix("listening on "))
            with closing(
                smtplib.SMTP("127.0.0.1", port, local_hostname="client", timeout=waiting.PATIENCE)
            ) as connection:
                connection.sendmail("f@x", "t@x", TEXT)
        finally:
            process.terminate()
        assert process.wait(waiting.PATIENCE) == 0
    assert read_ledger(ledger) == [("<1@example.com>", "t@x")]
