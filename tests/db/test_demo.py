"""The demo data of the quick start."""

import pytest
from django.core.management import CommandError, call_command

from devices.models import Device, Person
from servers.models import SmsGateway, SmtpServer
from xmnotify.quickstart import demo

pytestmark = pytest.mark.django_db


def test_an_empty_database_gets_a_mail_server_and_500_devices_with_users():
    assert demo.seed(smtp_port=2525, sms_port=2526)
    server = SmtpServer.objects.get()
    assert (server.name, server.host, server.port, server.active) == ("Demo mail server", "127.0.0.1", 2525, True)
    assert Device.objects.count() == 500
    assert not Device.objects.filter(person=None).exists()
    assert Device.objects.get(serial=demo.sample_serial()).person.mail


def test_the_data_is_the_same_every_time():
    demo.seed(smtp_port=2525, sms_port=2526)
    first = list(Person.objects.values_list("loginname", "mail", "mobile"))
    serials = list(Device.objects.values_list("serial", "model", "jailbroken"))
    for model in (Device, Person, SmtpServer, SmsGateway):
        model.objects.all().delete()
    demo.seed(smtp_port=2525, sms_port=2526)
    assert list(Person.objects.values_list("loginname", "mail", "mobile")) == first
    assert list(Device.objects.values_list("serial", "model", "jailbroken")) == serials


def test_a_database_in_use_is_left_alone():
    Device.objects.create(serial="MINE")
    assert not demo.seed(smtp_port=2525, sms_port=2526)
    assert Device.objects.count() == 1


def test_the_demo_server_follows_the_simulator_to_another_port():
    demo.seed(smtp_port=2525, sms_port=2526)
    assert not demo.seed(smtp_port=2600, sms_port=2601)
    assert SmtpServer.objects.get().port == 2600
    assert SmsGateway.objects.get().base_url == "http://127.0.0.1:2601"


def test_an_sms_is_harmless_while_the_simulator_gets_it():
    demo.seed(smtp_port=2525, sms_port=2526)
    assert demo.simulated_sms(sms_port=2526)
    assert not demo.simulated_sms(sms_port=2527)
    SmsGateway.objects.update(base_url="")
    assert not demo.simulated_sms(sms_port=2526)


def test_a_sample_event_is_harmless_while_the_simulator_gets_its_mail():
    demo.seed(smtp_port=2525, sms_port=2526)
    assert demo.is_harmless(smtp_port=2525)
    SmtpServer.objects.update(host="mail.example.com")
    assert not demo.is_harmless(smtp_port=2525)


def test_a_sample_event_is_not_harmless_without_an_active_server_or_its_device():
    demo.seed(smtp_port=2525, sms_port=2526)
    SmtpServer.objects.update(active=False)
    assert not demo.is_harmless(smtp_port=2525)
    SmtpServer.objects.update(active=True)
    Device.objects.all().delete()
    assert not demo.is_harmless(smtp_port=2525)


def test_seeding_for_a_port_that_mail_may_not_go_to_says_what_to_set(settings, monkeypatch):
    settings.XMNOTIFY_SMTP_PORTS = frozenset({25, 587})
    monkeypatch.setenv("XMNOTIFY_SMTP_SIM_PORT", "2600")
    with pytest.raises(CommandError, match=r"SMTP_SIM_PORT is 2600.* set XMNOTIFY_SMTP_PORTS=25,587,2600\."):
        call_command("seed")
    assert not SmtpServer.objects.exists()
