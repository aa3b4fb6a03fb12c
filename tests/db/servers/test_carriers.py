"""Carrier SMS gateways: what can be stored, what is detected, and the pages."""

import pytest
from django.core.exceptions import ValidationError

from console.kit import registry
from console.kit.registry import Level
from devices.models import Device
from devices.scope import EVERYBODY
from foundation.audit import Actor
from foundation.models import AuditEntry
from servers.carriers import edits
from servers.carriers.detection import NewCarrier, new_carriers
from servers.carriers.validators import RETIRED, carrier_warnings, clean_carrier
from servers.models import CarrierGateway, SmsGateway
from tests.db.world import carrier_gateway, device, person, sms_gateway, smtp_server

pytestmark = pytest.mark.django_db
LIST = "/settings/carrier-sms-gateway/"
TYPED = {
    "carrier": "AT&T Wireless",
    "domain": "sms.att.example",
    "country": "US",
    "prefix": "",
    "number_format": "national",
}
DIALOG = {"HX-Request": "true"}


def text(answer):
    return answer.content.decode()


def gateway(**fields):
    return CarrierGateway(**{**TYPED, **fields})


def problems(**fields):
    with pytest.raises(ValidationError) as refused:
        clean_carrier(gateway(**fields))
    return {name: [problem.code for problem in found] for name, found in refused.value.error_dict.items()}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (" SMS.Att.Example. ", "sms.att.example"),
        ("@sms.example.com", "sms.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_stored_as_it_is_resolved(given, stored):
    made = gateway(domain=given)
    clean_carrier(made)
    assert (made.domain, made.carrier_key) == (stored, "att")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"carrier": ""}, "carrier"),
        ({"carrier": "--"}, "carrier"),
        ({"carrier": "Carrier"}, "carrier"),
        ({"carrier": "a\nb"}, "carrier"),
        ({"carrier": "x" * 10_000}, "carrier"),
        ({"domain": ""}, "domain"),
        ({"domain": "localhost"}, "domain"),
        ({"domain": "192.0.2.1"}, "domain"),
        ({"domain": "number@sms.example.com"}, "domain"),
        ({"domain": "https://sms.example.com"}, "domain"),
        ({"domain": "x" * 10_000}, "domain"),
        ({"country": "+1"}, "country"),
        ({"country": ""}, "country"),
        ({"prefix": "a b"}, "prefix"),
        ({"prefix": "a@b"}, "prefix"),
        ({"prefix": "x" * 49}, "prefix"),
        ({"prefix": "x" * 10_000}, "prefix"),
        ({"number_format": "roman"}, "number_format"),
    ],
)
def test_a_wrong_field_is_named_once(fields, expected):
    assert list(problems(**fields)) == [expected]


def test_a_carrier_has_one_gateway_a_country_whatever_its_name_looks_like():
    carrier_gateway(carrier="at&t")
    assert problems() == {"carrier": ["unique"]}
    clean_carrier(gateway(country="MX"))


def test_one_that_was_added_meanwhile_is_refused():
    made = gateway()
    clean_carrier(made)
    carrier_gateway(carrier="at&t")
    with pytest.raises(ValidationError):
        edits.create(made, actor=Actor("somebody"))


def test_domains_that_are_switched_off_are_warned_of():
    for domain in RETIRED:
        made = gateway(domain=domain)
        clean_carrier(made)
        assert set(carrier_warnings(made)) == {"domain"}
    assert carrier_warnings(gateway()) == {}


def test_new_carriers_are_those_of_managed_devices_with_a_sim_that_have_no_gateway():
    carrier_gateway(carrier="Verizon")
    owner = person(mobile="+14155552671")
    device(serial="1", owner=owner, carrier="AT&T")
    device(serial="2", carrier="AT&T", phone_number="+14155552672")
    device(serial="3", carrier="AT&T Wireless", phone_number="+14155552673")
    device(serial="4", carrier="AT&T")
    device(serial="5", carrier="Verizon Wireless", phone_number="+14155552674")
    device(serial="6", carrier="Verizon")
    device(serial="7", carrier="Vodafone", phone_number="+491712345678")
    device(serial="8", carrier="Gone", managed=False)
    device(serial="9", carrier="No card", has_sim=False)
    device(serial="10", carrier="--")
    device(serial="11", carrier="")
    assert new_carriers(EVERYBODY) == [NewCarrier("AT&T", "US", 4), NewCarrier("Vodafone", "DE", 1)]


def test_a_carrier_with_a_gateway_elsewhere_is_new_in_another_country():
    carrier_gateway(carrier="T-Mobile")
    device(serial="1", carrier="T-Mobile", phone_number="+491712345678")
    device(serial="2", carrier="T-Mobile", phone_number="+14155552671")
    assert new_carriers(EVERYBODY) == [NewCarrier("T-Mobile", "DE", 1)]


def test_a_carriers_country_is_that_of_its_devices_numbers_and_not_the_gateways():
    sms_gateway(country="US")
    device(serial="1", carrier="Rogers", phone_number="+14165552671")
    device(serial="2", carrier="Rogers")
    device(serial="3", carrier="Sure", phone_number="+447781123456")
    device(serial="4", carrier="Known by nothing")
    assert new_carriers(EVERYBODY) == [
        NewCarrier("Rogers", "CA", 2),
        NewCarrier("Known by nothing", "US", 1),
        NewCarrier("Sure", "GG", 1),
    ]


def test_the_form_knows_the_retired_domains_while_one_is_typed(admin_client):
    shown = text(admin_client.get(f"{LIST}add/"))
    assert "data-warns-of" in shown
    assert all(domain in shown for domain in RETIRED)


def test_a_carrier_is_added_changed_and_deleted_and_each_is_audited(admin_client):
    answer = admin_client.post(f"{LIST}add/", TYPED)
    assert (answer.status_code, answer["Location"]) == (302, LIST)
    stored = CarrierGateway.objects.get()
    path = f"{LIST}{stored.pk}/"
    assert admin_client.post(path, {**TYPED, "prefix": "TwoWay."}, headers=DIALOG)["HX-Redirect"] == LIST
    assert CarrierGateway.objects.get().prefix == "TwoWay."
    assert "through the SMS gateway from then on" in text(admin_client.get(f"{path}delete/", headers=DIALOG))
    assert admin_client.post(f"{path}delete/").status_code == 302
    assert not CarrierGateway.objects.exists()
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["add", "change", "delete"]


def test_the_dialog_is_the_form_alone_and_keeps_what_was_typed_when_refused(admin_client):
    shown = text(admin_client.get(f"{LIST}add/", headers=DIALOG))
    assert shown.strip().startswith('<h2 id="modal-title">Add a Carrier SMS Gateway</h2>')
    answer = admin_client.post(f"{LIST}add/", {**TYPED, "domain": "nowhere"}, headers=DIALOG)
    assert answer.status_code == 422
    assert "<html" not in text(answer)
    assert 'value="AT&amp;T Wireless"' in text(answer)
    assert not CarrierGateway.objects.exists()


def test_the_country_that_stands_first_in_the_form_is_that_of_the_sms_gateway(admin_client):
    assert admin_client.get(f"{LIST}add/").context["form"]["country"].value() == "AF"
    sms_gateway(country="DE")
    assert admin_client.get(f"{LIST}add/").context["form"]["country"].value() == "DE"


def test_detect_says_that_there_is_none(admin_client):
    assert "No new carriers were detected" in text(admin_client.get(f"{LIST}detect/", headers=DIALOG))


def test_detected_carriers_are_ticked_given_their_domains_and_added(admin_client):
    device(serial="1", carrier="AT&T", phone_number="+14155552671")
    device(serial="2", carrier="Vodafone", phone_number="+491712345678")
    found = text(admin_client.get(f"{LIST}detect/", headers=DIALOG))
    assert "2 new carriers" in found
    assert "Germany +49" in found
    assert "Tick at least one" in text(admin_client.get(f"{LIST}detect/", {"ticked": "yes"}))
    chosen = admin_client.get(f"{LIST}detect/", {"ticked": "yes", "carrier": "US:AT&T"})
    (group,) = chosen.context["groups"]
    assert (group["form"]["carrier"].value(), group["form"]["country"].value()) == ("AT&T", "US")
    typed = {f"c0-{name}": value for name, value in TYPED.items()}
    assert admin_client.post(f"{LIST}detect/", {"count": "1", **typed, "c0-domain": ""}).status_code == 422
    assert admin_client.post(f"{LIST}detect/", {"count": "1", **typed}).status_code == 302
    assert CarrierGateway.objects.get().carrier == "AT&T Wireless"
    assert AuditEntry.objects.get().action == "add"


def test_two_of_one_carrier_are_both_refused(admin_client):
    typed = {f"c{number}-{name}": value for name, value in TYPED.items() for number in (0, 1)}
    answer = admin_client.post(f"{LIST}detect/", {"count": "2", **typed})
    assert answer.status_code == 422
    assert "already has a gateway" in text(answer)
    assert not CarrierGateway.objects.exists()


@pytest.mark.parametrize("count", ["", "0", "x", "-1", "99999999999", "²"])
def test_a_made_up_number_of_carriers_adds_none(admin_client, count):
    assert admin_client.post(f"{LIST}detect/", {"count": count}).status_code == 422


def test_the_page_says_why_carriers_are_not_in_use(admin_client):
    assert "once an SMS gateway is active" in text(admin_client.get(LIST))
    made = sms_gateway()
    assert "active SMS gateway is off" in text(admin_client.get(LIST))
    SmsGateway.objects.filter(pk=made.pk).update(use_carrier_gateways=True)
    assert "no SMTP server is active" in text(admin_client.get(LIST))
    smtp_server()
    assert "They are not in use" not in text(admin_client.get(LIST))


def test_the_tile_counts_carriers_and_those_switched_off(admin_user):
    tile = next(tile for tile in registry.tiles(admin_user) if tile.view == "carrier-gateways")
    assert tile.state().words == "None"
    carrier_gateway()
    assert (str(tile.state().words), tile.state().level) == ("1 carrier", Level.OK)
    carrier_gateway(carrier="T-Mobile", domain="tmomail.net")
    assert (str(tile.state().words), tile.state().level) == ("2 carriers, 1 switched off", Level.WARNING)
    assert "December 2024" in str(RETIRED["tmomail.net"])


def test_deleting_either_server_tells_what_becomes_of_carrier_gateways(admin_client):
    carrier_gateway()
    mail, sms = smtp_server(), sms_gateway(use_carrier_gateways=True)
    servers = "/settings/notification-server/"
    assert "instead of carrier gateways" in text(admin_client.get(f"{servers}{mail.pk}/delete/"))
    assert "No SMS goes through carrier gateways either" in text(admin_client.get(f"{servers}{sms.pk}/delete/"))


def test_devices_keep_the_carriers_name_as_it_was_told():
    device(serial="1", carrier="AT&T Wireless")
    assert Device.objects.get().carrier == "AT&T Wireless"
