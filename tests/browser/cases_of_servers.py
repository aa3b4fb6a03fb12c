"""Servers, gateways and carriers without script."""

from contextlib import contextmanager

from django.utils import timezone
from playwright.sync_api import expect

from servers.models import CarrierGateway, PushService, Server, ServerTest, SmsGateway, SmtpServer
from simulators.nexmo import NexmoSimulator
from simulators.smtp import SmtpSimulator
from tests import waiting
from tests.browser.without_script import case, press, refused, says
from tests.db import world
from tests.wire import push

OWNED = "12015550123"
SERVERS = "/settings/notification-server/"
PUSH = "/settings/secure-hub-push/"
KEY_FILE = push.key_file("https://localhost:1/token")
CARRIERS = "/settings/carrier-sms-gateway/"


@contextmanager
def ended_tests(simulator):
    """The simulator, until the tests that were begun against it have ended."""
    with simulator as running:
        yield running
        waiting.for_threads("server-test")


def add(page, kind):
    page.goto(SERVERS)
    page.locator("summary", has_text="Add").click()
    page.get_by_role("link", name=kind, exact=True).click()


def fill_smtp(page, *, port=2525):
    page.locator("#id_name").fill("Plain")
    page.get_by_role("textbox", name="SMTP Server").fill("127.0.0.1")
    page.get_by_label("SMTP server port").fill(str(port))
    page.get_by_label("From email").fill("it@example.com")


def fill_sms(page, *, url=""):
    page.locator("#id_name").fill("Plain")
    page.locator("#id_key").fill("demo")
    page.locator("#id_secret").fill("demo-secret")
    page.locator("#id_unencrypted_accepted").check()
    page.get_by_label("Country Code").select_option("US")
    page.get_by_text("Advanced Settings").click()
    page.get_by_label("Base URL").fill(url)


@case(
    "settings/notification-server/smtp/add/",
    "settings/notification-server/smtp/test/",
)
def testing_and_adding_an_smtp_server(page):
    with ended_tests(SmtpSimulator()) as simulator:
        add(page, "SMTP Server")
        fill_smtp(page, port=simulator.port)
        try_and_keep(
            page,
            box=page.get_by_label("From email"),
            wrong="nobody",
            refusal="mail address",
            right="it@example.com",
            do="Add",
        )
    assert SmtpServer.objects.get().port == simulator.port


@case(
    "settings/notification-server/smtp/<int:pk>/",
    "settings/notification-server/smtp/<int:pk>/test/",
)
def testing_and_changing_an_smtp_server(page):
    with ended_tests(SmtpSimulator()) as simulator:
        world.smtp_server(name="Plain", port=simulator.port)
        page.goto(SERVERS)
        page.get_by_role("link", name="Test Plain").click()
        try_and_keep(
            page,
            box=page.get_by_label("From email"),
            wrong="nobody",
            refusal="mail address",
            right="it@example.com",
            do="Save",
        )
    assert SmtpServer.objects.get().from_email == "it@example.com"


@case(
    "settings/notification-server/sms/add/",
    "settings/notification-server/sms/test/",
)
def testing_and_adding_an_sms_gateway(page):
    with ended_tests(NexmoSimulator()) as simulator:
        add(page, "SMS Gateway")
        fill_sms(page, url=simulator.url)
        number = page.get_by_label("Virtual Phone Number")
        try_and_keep(
            page,
            box=number,
            wrong="a number",
            refusal="digits only",
            right=OWNED,
            do="Add",
            to="415 555 2671",
            secret="demo-secret",
        )
    assert SmsGateway.objects.get().secret.reveal() == "demo-secret"


@case(
    "settings/notification-server/sms/<int:pk>/",
    "settings/notification-server/sms/<int:pk>/test/",
)
def testing_and_changing_an_sms_gateway(page):
    with ended_tests(NexmoSimulator()) as simulator:
        world.simulated_gateway(simulator.url, name="Plain")
        page.goto(SERVERS)
        page.get_by_role("link", name="Test Plain").click()
        box = page.get_by_label("Virtual Phone Number")
        try_and_keep(page, box=box, wrong="a number", refusal="digits only", right=OWNED, do="Save", to="+14155552671")
    assert SmsGateway.objects.get().virtual_number == OWNED


def try_and_keep(page, *, box, wrong, refusal, right, do, to="anna@example.org", secret="", secret_box="#id_secret"):
    """Test and send with a mistake in the box, then without."""
    page.locator("#test_to").fill(to)
    for button in ("Test Configuration", do):
        box.fill(wrong)
        press(page, button)
        refused(page, box, refusal, typed=wrong)
        box.fill(right)
        if secret:
            page.locator(secret_box).fill(secret)
        press(page, button)
        if button != do:
            says(page, "test")
            page.locator("#test-result .stages").wait_for()
            expect(box).to_have_value(right)
            expect(page.locator("#id_name")).to_have_value("Plain")
            _see_the_test_pass(page)
            if secret:
                page.locator(secret_box).fill(secret)
    says(page, f"“Plain” was {'added' if do == 'Add' else 'saved'}.")


def _see_the_test_pass(page):
    waiting.for_threads("server-test")
    result = page.context.new_page()
    result.goto(f"{SERVERS}tests/{ServerTest.objects.get().pk}/")
    says(result, "The test passed")
    result.close()


@case("settings/notification-server/apns/add/", "settings/notification-server/apns/test/")
def testing_and_adding_apns(page):
    page.goto(PUSH)
    page.locator("summary", has_text="Add").click()
    page.get_by_role("link", name="APNs (iOS)", exact=True).click()
    page.locator("#id_name").fill("Plain")
    page.get_by_label("Key ID").fill(push.KEY_ID)
    page.get_by_label("Team ID").fill(push.TEAM_ID)
    page.get_by_label("Topic").fill(push.TOPIC)
    _try_push(page, secret="#id_key_file", text=push.apple_pem()[0], to=push.iphone(1), do="Add")


@case("settings/notification-server/apns/<int:pk>/", "settings/notification-server/apns/<int:pk>/test/")
def testing_and_changing_apns(page):
    world.apns(name="Plain")
    page.goto(PUSH)
    page.get_by_role("link", name="Test Plain").click()
    _try_push(page, secret="#id_key_file", text=push.apple_pem()[0], to=push.iphone(1), do="Save")


@case("settings/notification-server/fcm/add/", "settings/notification-server/fcm/test/")
def testing_and_adding_fcm(page):
    page.goto(PUSH)
    page.locator("summary", has_text="Add").click()
    page.get_by_role("link", name="FCM (Android)", exact=True).click()
    page.locator("#id_name").fill("Plain")
    _try_push(page, secret="#id_service_account", text=KEY_FILE, to=push.android(1), do="Add")


@case("settings/notification-server/fcm/<int:pk>/", "settings/notification-server/fcm/<int:pk>/test/")
def testing_and_changing_fcm(page):
    PushService.objects.create(kind="fcm", name="Plain", service_account=KEY_FILE, project=push.PROJECT)
    page.goto(PUSH)
    page.get_by_role("link", name="Test Plain").click()
    _try_push(page, secret="#id_service_account", text=KEY_FILE, to=push.android(1), do="Save")


def _try_push(page, *, secret, text, to, do):
    """Test and send with a mistake in the address, then without; the file's text stays. Nothing listens there."""
    page.locator("#test_to").fill(to.address)
    box = page.get_by_label("Base URL")
    page.locator(secret).fill(text)
    for button in ("Test Configuration", do):
        if not box.is_visible():
            page.get_by_text("Advanced Settings").click()
        box.fill("http://localhost:1")
        press(page, button)
        refused(page, box, "https://push.example.com", typed="http://localhost:1")
        box.fill("https://localhost:1")
        page.locator(secret).fill(text)
        press(page, button)
        if button != do:
            page.locator("#test-result .stages").wait_for()
            waiting.for_threads("server-test")
            page.locator(secret).fill(text)
    says(page, f"“Plain” was {'added' if do == 'Add' else 'saved'}.")
    assert PushService.objects.get().base_url == "https://localhost:1"


@case("settings/notification-server/<int:pk>/activate/")
def activating_a_server(page):
    world.smtp_server(name="Now")
    world.smtp_server(name="Then", active=False)
    page.goto(SERVERS)
    press(page, "Activate Then")
    says(page, "“Then” is active now.")
    assert Server.objects.get(active=True).name == "Then"


@case("settings/notification-server/<int:pk>/try-again/")
def trying_a_stopped_server_again(page):
    world.smtp_server(name="Mail", stopped_at=world.NOW, trouble_code="credentials_refused")
    page.goto(SERVERS)
    Server.objects.update(stopped_at=None)
    press(page, "Try again now Mail")
    says(page, "“Mail” is neither stopped nor paused.")
    Server.objects.update(stopped_at=world.NOW)
    page.goto(SERVERS)
    press(page, "Try again now Mail")
    says(page, "“Mail” is tried with one message now.")
    assert Server.objects.get().stopped_at is None


@case("settings/notification-server/<int:pk>/forget/")
def forgetting_what_was_learned_of_a_server(page):
    server = world.smtp_server(
        session_limit=10, session_limit_at=timezone.now(), session_limit_reply="452 4.4.5 too many"
    )
    page.goto(f"{SERVERS}smtp/{server.pk}/")
    says(page, "It takes 10 messages on one connection.")
    press(page, "Forget")
    says(page, "What was learned of “Mail” is forgotten.")
    assert Server.objects.get().session_limit is None


@case("settings/notification-server/<int:pk>/delete/")
def deleting_a_server(page):
    world.smtp_server(name="Now")
    world.smtp_server(name="Then", active=False)
    page.goto(SERVERS)
    page.get_by_role("link", name="Delete Now").click()
    says(page, "Activate another server of its type first")
    page.goto(SERVERS)
    page.get_by_role("link", name="Delete Then").click()
    press(page, "Delete")
    says(page, "“Then” was deleted.")
    assert Server.objects.get().name == "Now"


@case("settings/carrier-sms-gateway/add/")
def adding_a_carrier(page):
    page.goto(CARRIERS)
    page.get_by_role("link", name="Add", exact=True).click()
    page.get_by_label("Carrier", exact=False).first.fill("Vodafone")
    _mend_the_domain(page, do="Add")
    says(page, "was added.")
    assert CarrierGateway.objects.get().carrier == "Vodafone"


@case("settings/carrier-sms-gateway/<int:pk>/")
def changing_a_carrier(page):
    world.carrier_gateway(carrier="Vodafone")
    page.goto(CARRIERS)
    page.get_by_role("link", name="Vodafone", exact=True).click()
    _mend_the_domain(page, do="Save")
    says(page, "was saved.")


@case("settings/carrier-sms-gateway/detect/")
def detecting_a_carrier(page):
    world.device(serial="D1", carrier="Vodafone", phone_number="+491712345678")
    page.goto(CARRIERS)
    page.get_by_role("link", name="Detect").click()
    press(page, "Continue")
    says(page, "Tick at least one carrier.")
    page.get_by_label("Vodafone").check()
    press(page, "Continue")
    _mend_the_domain(page, do="Add")
    says(page, "1 carrier was added.")
    assert CarrierGateway.objects.get().country == "DE"


def _mend_the_domain(page, *, do):
    domain = page.get_by_label("Gateway SMTP domain")
    domain.fill("no domain")
    press(page, do)
    refused(page, domain, "Enter the part after the @ alone", typed="no domain")
    domain.fill("sms.vodafone.example")
    press(page, do)
    page.locator("#messages .message").wait_for()
    assert CarrierGateway.objects.get().domain == "sms.vodafone.example"


@case("settings/carrier-sms-gateway/<int:pk>/delete/")
def deleting_a_carrier(page):
    world.carrier_gateway(carrier="Vodafone")
    page.goto(CARRIERS)
    page.get_by_role("link", name="Delete Vodafone").click()
    press(page, "Delete")
    says(page, "“Vodafone” was deleted.")
    assert not CarrierGateway.objects.exists()
