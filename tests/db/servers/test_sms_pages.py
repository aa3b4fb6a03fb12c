"""Settings > Notification Server: the pages of SMS gateways."""

import socket

import pytest
from django.contrib.auth.models import Permission, User

from console.kit.registry import Level
from foundation.audit import MASK, NEW_MASK
from foundation.models import AuditEntry
from servers import health
from servers.models import Server, SmsGateway
from servers.values import ServerKind
from templates_app.models import NotificationTemplate
from templates_app.queries import current_content
from tests import waiting
from tests.db.dispatch.flow import deliveries
from tests.db.templates_app.test_pages import typed as typed_in
from tests.db.world import sms_gateway, smtp_server, template
from transports.types import AddressKind, ChannelKind, Recipient

pytestmark = pytest.mark.django_db
LIST = "/settings/notification-server/"
TYPED = {
    "name": "Nexmo",
    "key": "a1b2c3d4",
    "secret": "open-sesame",
    "unencrypted_accepted": "on",
    "country": "DE",
    "sender_name": "xmnotify",
    "retries": "5",
    "timeout": "30",
    "connections": "4",
    "rate_limit": "30",
    "sign_ins_after_refusal": "2",
    "signature_method": "",
}


def text(answer):
    return answer.content.decode()


def test_the_first_gateway_is_added_active_and_audited(admin_client):
    smtp_server()
    answer = admin_client.post(f"{LIST}sms/add/", TYPED)
    assert (answer.status_code, answer["Location"]) == (302, LIST)
    stored = SmsGateway.objects.get()
    assert (stored.active, stored.country, stored.https, stored.secret.reveal()) == (True, "DE", False, "open-sesame")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_name, entry.after["secret"]) == ("add", "Nexmo", MASK)
    assert "sesame" not in str(entry.after)


def test_the_add_menu_offers_both_kinds_to_those_who_may_add_them(admin_client, client):
    assert "SMTP Server</a>" in text(admin_client.get(LIST))
    assert "SMS Gateway</a>" in text(admin_client.get(LIST))
    user = User.objects.create_user("sms", is_staff=True)
    names = ("view_server", "view_smsgateway", "add_smsgateway", "change_smsgateway")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(user)
    assert "SMTP Server</a>" not in text(client.get(LIST))
    assert client.get(f"{LIST}sms/add/").status_code == 200
    assert client.get(f"{LIST}smtp/add/").status_code == 403


def test_https_off_is_refused_at_its_tick_until_it_is_meant(admin_client):
    typed = {name: value for name, value in TYPED.items() if name != "unencrypted_accepted"}
    answer = admin_client.post(f"{LIST}sms/add/", typed)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["unencrypted_accepted"]
    assert "sesame" not in text(answer)
    assert not SmsGateway.objects.exists()
    assert admin_client.post(f"{LIST}sms/add/", typed | {"https": "on"}).status_code == 302


@pytest.mark.parametrize(
    ("base_url", "shown", "warning"),
    [
        ("", "Nexmo<", "cross the network unencrypted"),
        ("http://sms.example.com", "Nexmo at sms.example.com<", "cross the network unencrypted"),
        ("http://127.0.0.1:2526", "Nexmo at 127.0.0.1:2526<", "only within this machine"),
        ("http://localhost:2526", "Nexmo at localhost:2526<", "only within this machine"),
    ],
)
def test_the_list_tells_where_requests_go_and_whether_unencrypted_ones_leave_this_machine(
    admin_client, base_url, shown, warning
):
    sms_gateway(https=False, base_url=base_url)
    page = text(admin_client.get(LIST))
    assert shown in page
    assert warning in page
    assert warning in text(admin_client.get("/settings/health/"))


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("virtual_number", "0"),
        ("virtual_number", "+1"),
        ("virtual_number", "letters"),
        ("virtual_number", "1" * 30),
        ("virtual_number", "24273"),
        ("sender_name", "📣"),
        ("sender_name", "x" * 10_000),
        ("country", "+93"),
        ("name", "x" * 10_000),
        ("description", "x" * 10_000),
        ("key", "x" * 10_000),
        ("secret", "x" * 10_000),
        ("base_url", "x" * 10_000),
    ],
)
def test_bad_input_is_refused_at_its_field(admin_client, name, typed):
    answer = admin_client.post(f"{LIST}sms/add/", {**TYPED, name: typed})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [name]
    assert not SmsGateway.objects.exists()


def test_an_empty_secret_keeps_the_stored_one_and_a_new_one_is_masked_in_the_audit_trail(admin_client):
    gateway = sms_gateway(secret="first-words", receipt_token="token-of-receipts")
    path = f"{LIST}sms/{gateway.pk}/"
    assert admin_client.post(path, {**TYPED, "secret": ""}).status_code == 302
    assert SmsGateway.objects.get().secret.reveal() == "first-words"
    assert admin_client.post(path, {**TYPED, "secret": "second-words"}).status_code == 302
    stored = SmsGateway.objects.get()
    assert (stored.secret.reveal(), stored.receipt_token.reveal()) == ("second-words", "token-of-receipts")
    entry = AuditEntry.objects.order_by("-id")[0]
    assert (entry.before["secret"], entry.after["secret"]) == (MASK, NEW_MASK)
    for shown in (path, LIST, f"{LIST}{gateway.pk}/delete/", "/audit/", "/settings/health/"):
        assert "-words" not in text(admin_client.get(shown))


def test_a_gateway_without_https_is_warned_of_on_the_list_and_the_health_page(admin_client):
    gateway = sms_gateway(https=False)
    words = "whoever sits between can read them"
    assert words in text(admin_client.get(LIST))
    assert words in text(admin_client.get("/settings/health/"))
    gateway.https = True
    gateway.save()
    assert words not in text(admin_client.get(LIST))
    assert [one.level for one in health.findings() if one.subject == gateway.name] == [Level.OK]


def test_activating_a_gateway_leaves_the_mail_server_active(admin_client):
    smtp_server()
    sms_gateway()
    second = sms_gateway(name="Second", active=False)
    admin_client.post(f"{LIST}{second.pk}/activate/")
    assert sorted(Server.objects.filter(active=True).values_list("name", flat=True)) == ["Mail", "Second"]


def test_the_receipt_address_is_shown_to_those_alone_who_may_change_the_gateway(admin_client, client):
    gateway = sms_gateway()
    token, path = gateway.receipt_token.reveal(), f"{LIST}sms/{gateway.pk}/"
    assert token in text(admin_client.get(path))
    assert token not in text(admin_client.get(LIST))
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(looker)
    assert client.get(path).status_code == 200
    assert token not in text(client.get(path))


def test_an_added_template_leads_here_and_back_and_then_its_sms_can_be_activated(admin_client):
    adding = "/settings/notification-templates/add/"
    smtp_server()
    assert "No SMS gateway has been set up" in text(admin_client.get(adding))
    back = text(admin_client.post(f"{LIST}sms/add/", TYPED, follow=True))
    assert "SMTP and SMS are set up." in back
    assert "Go on adding the template" in back
    data = {**typed_in(admin_client, adding), "name": "Mine", "type": "device.wiped", "sms.active": "on"}
    data |= {"sms.recipient": "${user.mobile}", "sms.message": "Wiped", "smtp.active": ""}
    assert admin_client.post(adding, data).status_code == 302
    made = NotificationTemplate.objects.get(name="Mine")
    assert current_content(made).active_kinds() == {ChannelKind.SMS}


def test_deleting_the_gateway_tells_what_stops_working(admin_client):
    gateway = sms_gateway()
    template(name="A first one", kind="sms", recipient="${user.mobile}", subject="")
    deliveries(
        2,
        server_id=gateway.pk,
        channel=ChannelKind.SMS,
        server_kind=ServerKind.SMS,
        to=Recipient(AddressKind.PHONE, "+14155552671"),
    )
    shown = text(admin_client.get(f"{LIST}{gateway.pk}/delete/", headers={"HX-Request": "true"}))
    assert "A first one" in shown
    assert "2 messages wait for it" in shown
    assert admin_client.post(f"{LIST}{gateway.pk}/delete/").status_code == 302
    assert not SmsGateway.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", ["", "test/"])
def test_another_base_url_does_not_get_the_stored_secret(admin_client, address):
    gateway = sms_gateway(secret="stored-sesame", base_url="http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        typed = {**TYPED, "secret": "", "base_url": url, "test_to": "+4915112345678"}
        answer = admin_client.post(f"{LIST}sms/{gateway.pk}/{address}", typed)
        waiting.for_threads("server-test")
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert answer.status_code == 422
    assert answer.context["form"].errors["secret"]
    assert SmsGateway.objects.get().base_url == "http://127.0.0.1:1"
