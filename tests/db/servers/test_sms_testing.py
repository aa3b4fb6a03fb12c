"""Test Configuration of an SMS gateway: the same rules as for mail, with stages of its own."""

from ipaddress import ip_network

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError

from foundation.models import AuditEntry
from foundation.secrets import Secret
from servers.models import SmsGateway
from servers.testing import runs
from servers.testing.runs import Asker
from simulators.nexmo import NexmoSimulator
from tests import waiting
from tests.db.servers.test_testing import everything_stored, run
from tests.db.world import NOW, simulated_gateway

pytestmark = pytest.mark.django_db(transaction=True)
TO = "07700 900123"
ASKER = Asker("key:abcd", "Integration")


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.XMNOTIFY_HTTP_PORTS = None
    settings.XMNOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.1/32"),)


@pytest.fixture
def nexmo():
    with NexmoSimulator() as simulator:
        yield simulator


def test_a_good_gateway_passes_stage_by_stage_and_the_text_arrives(nexmo):
    gateway = simulated_gateway(nexmo.url, virtual_number="12015550123", stopped_at=NOW)
    found = run(gateway, ASKER, to=TO)
    assert [stage.name for stage in found.stages.all()] == ["resolve", "connect", "credentials", "number", "accepted"]
    assert [stage.get_name_display() for stage in found.stages.all()][3] == "Virtual number"
    assert found.passed is True
    assert found.to == "+447700900123"
    (text,) = nexmo.phone.texts()
    assert text.text == "xmnotify sent this message to test the SMS gateway Nexmo. It works."
    assert text.client_ref == str(found.pk)
    gateway.refresh_from_db()
    assert (gateway.last_test_passed, gateway.stopped_at) == (True, None)


def test_a_wrong_secret_is_told_at_its_stage_and_stored_nowhere(nexmo):
    gateway = simulated_gateway(nexmo.url)
    gateway.secret = Secret.of("correct horse battery staple")
    stage = run(gateway, ASKER, to=TO).stages.last()
    assert (stage.name, stage.ok, stage.code) == ("credentials", False, "credentials_refused")
    assert stage.cause == "The service refused the key or the secret."
    assert "correct horse" not in everything_stored()
    assert nexmo.phone.count == 0


def test_it_is_audited_without_key_and_secret(nexmo):
    run(simulated_gateway(nexmo.url), ASKER, to=TO)
    entry = AuditEntry.objects.get()
    assert entry.after == {"base_url": nexmo.url, "virtual_number": "", "to": "+447700900123"}


def test_an_unsaved_gateway_is_tested(nexmo):
    gateway = SmsGateway(kind="sms", key="demo", base_url=nexmo.url, country="GB", timeout=5)
    gateway.secret = Secret.of("demo-secret")
    assert run(gateway, ASKER, to=TO).passed
    assert not SmsGateway.objects.exists()


@pytest.mark.parametrize("to", ["", "0", "+1", "anna", "1" * 30, "12345"])
def test_what_is_no_phone_number_is_refused_before_anything_happens(nexmo, to):
    with pytest.raises(ValidationError) as refused:
        runs.start(simulated_gateway(nexmo.url), to=to, asker=ASKER, now=NOW)
    assert list(refused.value.error_dict) == ["to"]
    assert nexmo.connections == 0


@pytest.mark.parametrize("field", ["secret", "signature_secret"])
def test_a_secret_whose_key_is_lost_is_asked_for_again(nexmo, field):
    gateway = simulated_gateway(nexmo.url, signature_method="sha256", signature_secret="s")
    setattr(gateway, field, Secret("gAAAAABnot-our-key"))
    with pytest.raises(ValidationError) as refused:
        runs.start(gateway, to=TO, asker=ASKER, now=NOW)
    assert list(refused.value.error_dict) == [field]


def test_without_https_a_private_address_is_refused_as_ever(nexmo, settings):
    settings.XMNOTIFY_ALLOWED_NETWORKS = ()
    stage = run(simulated_gateway(nexmo.url), ASKER, to=TO).stages.last()
    assert (stage.name, stage.code) == ("resolve", "address_not_allowed")
    assert nexmo.connections == 0


def test_nobody_tests_without_the_permission_to_change(nexmo):
    with pytest.raises(PermissionDenied):
        runs.start(simulated_gateway(nexmo.url), to=TO, asker=Asker.of(User.objects.create(username="x")), now=NOW)
    waiting.for_threads("server-test")
    assert nexmo.connections == 0


def test_a_local_number_says_as_of_which_country_it_was_read(nexmo):
    found = run(simulated_gateway(nexmo.url, country="AF"), ASKER, to="070 123 4567")
    assert found.to == "+93701234567"
    assert "“070 123 4567” names no country, so it was read as +93701234567, of Afghanistan +93" in found.reading
    assert run(simulated_gateway(nexmo.url, name="Other", active=False), ASKER, to="+447700900123").reading == ""


def test_a_number_that_is_none_of_the_gateways_country_says_which_that_is(nexmo):
    with pytest.raises(ValidationError, match=r"Read as of Afghanistan \+93, “0171 23456789” is no phone number"):
        run(simulated_gateway(nexmo.url, country="AF"), ASKER, to="0171 23456789")
