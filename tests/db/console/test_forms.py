"""Every form over one object."""

import pytest
from django.contrib.auth.models import Group, User

from api.access import keys
from api.kit.callers import ApiScope
from api.models import ApiKey
from console.kit.editing import FormPage
from devices import models as devices
from foundation.models import AuditEntry
from servers.models import CarrierGateway, PushService, SmsGateway, SmtpServer
from templates_app.models import NotificationTemplate
from templates_app.pages.views import Editor
from tests.db import world
from tests.db.console.test_every_page import patterns
from tests.db.form_contract import FormContract
from tests.db.servers import test_carriers, test_pages, test_push, test_sms_pages
from tests.db.templates_app.test_pages import typed

pytestmark = pytest.mark.django_db
SECRET = "open-sesame"
PASSWORD = "correct-horse-9"
TOO_LONG = "x" * 10_000


class _Administrator(FormContract):
    bad = (("username", ""), ("username", "e v e"), ("email", "nowhere"), ("groups", ["999"]))

    def stored(self):
        return list(User.objects.order_by("pk").values_list("username", "email", "is_active"))


class TestAddAdministrator(_Administrator):
    view = "administrator-add"
    good = {"username": "eve", "email": "eve@example.com", "password1": PASSWORD, "password2": PASSWORD}
    secret = "password1"


class TestAdministrator(_Administrator):
    view = "administrator"
    good = {"username": "eve", "email": "eve@example.com", "is_active": "on"}

    def make(self):
        return User.objects.create_user("eve", is_staff=True)

    def meanwhile(self):
        User.objects.filter(pk=self.made.pk).update(email="other@example.com")


class _Role(FormContract):
    good = {"name": "Helpdesk"}
    bad = (("name", ""), ("name", TOO_LONG))

    def stored(self):
        return list(Group.objects.order_by("pk").values_list("name", flat=True))


class TestAddRole(_Role):
    view = "role-add"


class TestRole(_Role):
    view = "role"

    def make(self):
        return Group.objects.create(name="First line")

    def meanwhile(self):
        Group.objects.filter(pk=self.made.pk).update(name="Second line")


class _Group(FormContract):
    good = {"name": "Board"}
    bad = (("name", ""), ("name", "a\nb"), ("name", TOO_LONG), ("name", "Known"))

    def make(self):
        devices.Group.objects.create(name="Known")

    def stored(self):
        return list(devices.Group.objects.values("name", "by_hand"))


class TestAddGroup(_Group):
    view = "group-add"


class TestRenameGroup(_Group):
    view = "group-rename"

    def make(self):
        super().make()
        return devices.Group.objects.create(name="Sales")

    def meanwhile(self):
        devices.Group.objects.filter(pk=self.made.pk).update(name="Trade")


class _Device(FormContract):
    good = {
        "serial": "S9",
        "imei": "",
        "name": "Left",
        "platform": "iOS",
        "os_version": "26.1",
        "model": "iPad",
        "ownership": "byod",
        "user": "",
        "phone_number": "",
        "carrier": "",
        "has_sim": "True",
        "managed": "on",
        "properties": "ROOM=12",
    }
    bad = (
        *(("serial", ""), ("serial", TOO_LONG), ("platform", "SYMBIAN"), ("phone_number", "letters")),
        *(("user", "nobody"), ("properties", "no equals sign"), ("properties", "A=1\nA=2")),
    )

    def stored(self):
        return list(devices.Device.objects.order_by("pk").values_list("serial", "name", "properties"))


class TestAddDevice(_Device):
    view = "device-add"


class TestDevice(_Device):
    view = "device-edit"

    def make(self):
        return devices.Device.objects.create(serial="S1")

    def meanwhile(self):
        devices.Device.objects.filter(pk=self.made.pk).update(name="Right")


class _User(FormContract):
    good = {
        "loginname": "eva",
        "displayname": "Eva",
        "mail": "eva@example.com",
        "mobile": "+447700900123",
        "language": "de",
        "time_zone": "Europe/Berlin",
        "groups": "Sales\nBoard",
        "properties": "FLOOR=3",
    }
    bad = (
        *(("loginname", ""), ("loginname", TOO_LONG), ("mail", "nowhere"), ("mobile", "letters")),
        *(("language", "klingon!"), ("time_zone", "Mars/Olympus"), ("properties", "no equals sign")),
    )

    def stored(self):
        return list(devices.Person.objects.order_by("pk").values_list("loginname", "displayname", "properties"))


class TestAddUser(_User):
    view = "user-add"


class TestUser(_User):
    view = "user-edit"

    def make(self):
        return devices.Person.objects.create(loginname="adam")

    def meanwhile(self):
        devices.Person.objects.filter(pk=self.made.pk).update(displayname="Adam")


class _SavedFilter(FormContract):
    good = {"name": "Tablets", "query": "search=ipad"}
    bad = (("name", ""), ("name", TOO_LONG), ("name", "Known"))
    page = ""

    def make(self):
        owner = User.objects.get(username="admin")
        devices.SavedFilter.objects.create(owner=owner, page=self.page, name="Known", query="search=x")

    def stored(self):
        return list(devices.SavedFilter.objects.order_by("pk").values_list("name", "page", "query"))


class TestSavedFilterOfDevices(_SavedFilter):
    view, page = "devices-filter-add", "devices"


class TestSavedFilterOfUsers(_SavedFilter):
    view, page = "users-filter-add", "users"


class _SmtpServer(FormContract):
    good = {**test_pages.TYPED, "authentication": "on", "username": "anna", "password": SECRET}
    bad = (("name", ""), ("host", "no host"), ("port", "0"), ("timeout", "0"), ("from_email", "nowhere"))
    secret = "password"

    def stored(self):
        return list(SmtpServer.objects.order_by("pk").values_list("name", "host", "port", "username"))


class TestAddSmtpServer(_SmtpServer):
    view = "smtp-server-add"


class TestSmtpServer(_SmtpServer):
    view = "smtp-server"

    def make(self):
        return world.smtp_server()

    def meanwhile(self):
        SmtpServer.objects.update(host="moved.example.com", revision=2)


class _SmsGateway(FormContract):
    good = test_sms_pages.TYPED
    bad = (("name", ""), ("virtual_number", "letters"), ("country", "+93"), ("key", TOO_LONG))
    secret = "secret"

    def stored(self):
        return list(SmsGateway.objects.order_by("pk").values_list("name", "key", "country"))


class TestAddSmsGateway(_SmsGateway):
    view = "sms-gateway-add"


class TestSmsGateway(_SmsGateway):
    view = "sms-gateway"

    def make(self):
        return world.sms_gateway()

    def meanwhile(self):
        SmsGateway.objects.update(name="Other", revision=2)


class _Apns(FormContract):
    good = test_push.APNS
    bad = (("name", ""), ("key_id", "short"), ("topic", "no topic"), ("key_file", "no key"), ("base_url", "http://x"))
    secret = "key_file"

    def stored(self):
        return list(PushService.objects.order_by("pk").values_list("name", "key_id", "topic"))


class TestAddApns(_Apns):
    view = "apns-add"


class TestApns(_Apns):
    view = "apns"

    def make(self):
        return PushService.objects.create(kind="apns", name="Old", key_id="X" * 10, team_id="Y" * 10, key_file="x")

    def meanwhile(self):
        PushService.objects.update(topic="com.example.other", revision=2)


class _Fcm(FormContract):
    good = test_push.FCM
    bad = (("name", ""), ("service_account", "no file"), ("base_url", "http://x"), ("ca_bundle", "none"))
    secret = "service_account"

    def stored(self):
        return list(PushService.objects.order_by("pk").values_list("name", "project"))


class TestAddFcm(_Fcm):
    view = "fcm-add"


class TestFcm(_Fcm):
    view = "fcm"

    def make(self):
        return PushService.objects.create(kind="fcm", name="Old", service_account="x", project="old")

    def meanwhile(self):
        PushService.objects.update(name="Other", revision=2)


class _Carrier(FormContract):
    good = test_carriers.TYPED
    bad = (("carrier", ""), ("domain", "nowhere"), ("country", "+1"), ("prefix", "a b"))

    def stored(self):
        return list(CarrierGateway.objects.order_by("pk").values_list("carrier", "domain", "country"))


class TestAddCarrier(_Carrier):
    view = "carrier-gateway-add"


class TestCarrier(_Carrier):
    view = "carrier-gateway"

    def make(self):
        return world.carrier_gateway()

    def meanwhile(self):
        CarrierGateway.objects.update(domain="moved.example.com", revision=2)


class _ApiKey(FormContract):
    def stored(self):
        return list(ApiKey.objects.order_by("pk").values_list("name", "rate_limit", "burst"))


class TestAddApiKey(_ApiKey):
    """The answer itself shows the new key, once."""

    view = "api-key-add"
    good = {"name": "Device management", "scopes": ["events"], "lifetime": "30"}
    bad = (
        ("name", ""),
        ("scopes", []),
        ("scopes", ["root"]),
        ("lifetime", "-1"),
        ("rate_limit", "-1"),
        ("burst", "0"),
    )
    done = 200

    def test_a_name_that_was_taken_meanwhile_is_refused_beside_it(self, monkeypatch):
        create = keys.create

        def late(name, **settings):
            create(name, scopes=[ApiScope.EVENTS])
            return create(name, **settings)

        monkeypatch.setattr(keys, "create", late)
        answer = self.post()
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["name"])
        assert not AuditEntry.objects.exists()


class TestApiKey(_ApiKey):
    view = "api-key"
    good = {"rate_limit": "5", "burst": "20"}
    bad = (("rate_limit", "-1"), ("rate_limit", ""), ("rate_limit", "1000001"), ("burst", "0"))

    def make(self):
        keys.create("Device management", scopes=[ApiScope.EVENTS])
        return ApiKey.objects.get()

    def meanwhile(self):
        ApiKey.objects.update(burst=9)


class _Template(FormContract):
    bad = (("name", ""), ("name", TOO_LONG), ("smtp.message", "${nonsense"))

    def stored(self):
        return list(NotificationTemplate.objects.order_by("pk").values_list("name", "current"))


class TestAddTemplate(_Template):
    view = "template-add"

    def make(self):
        world.smtp_server()

    @pytest.fixture(autouse=True)
    def _as_typed(self, _as_administrator):
        filled = {
            "type": "adhoc",
            "name": "Ours",
            "smtp.active": "on",
            "smtp.subject": "Hello",
            "smtp.recipient": "a@example.com",
        }
        self.good = {**typed(self.client, f"{self.path}?later"), **filled, "smtp.message": "Hello"}


class TestTemplate(_Template):
    view = "template"
    stale = 409
    stale_words = "Somebody saved this template while you edited it, so nothing was saved"

    def make(self):
        return world.template()

    @pytest.fixture(autouse=True)
    def _as_typed(self, _as_administrator):
        self.good = {**typed(self.client, self.path), "smtp.subject": "Another"}

    def meanwhile(self):
        self.client.post(self.path, {**self.good, "smtp.subject": "First"})

    def seen(self, answer):
        return {"base": str(answer.context["form"]["base"].value())}


def test_every_form_keeps_the_contract():
    forms = {
        pattern.name
        for pattern in patterns()
        if issubclass(pattern.callback.view_class, FormPage | Editor) and not pattern.name.endswith(("-test", "-trial"))
    }
    assert forms
    assert forms <= {contract.view for each in FormContract.__subclasses__() for contract in each.__subclasses__()}
