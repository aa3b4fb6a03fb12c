"""The forms of servers: the manual's order, conditional fields, secrets that stay unseen."""

from pathlib import Path

import pytest

from foundation.audit import Actor
from servers import edits
from servers.models import SmtpServer
from servers.sms.forms import SmsGatewayForm
from servers.smtp.forms import SmtpServerForm
from servers.smtp.kind import SMTP
from tests.db.world import NOW, smtp_server
from tests.wire.certificates import Authority

pytestmark = pytest.mark.django_db
ACTOR = Actor("somebody")
SECRET = "correct horse battery staple"
CA = Authority(Path()).pem


def data(**changes):
    """What a browser posts for a new server with nothing but the required fields filled in; None leaves a box out."""
    form = SmtpServerForm()
    filled = {name: form[name].value() for name in form.fields}
    filled |= {"name": "Mail", "host": "mail.example.com", "from_email": "it@example.com", "unencrypted_accepted": "on"}
    filled |= changes
    return {name: value for name, value in filled.items() if value is not None and value is not False}


def saved(instance=None, **changes):
    form = SmtpServerForm(data(**changes), instance=instance)
    assert form.is_valid(), form.errors
    if form.instance.pk:
        edits.change(form.instance, kind=SMTP, actor=ACTOR, now=NOW)
    else:
        edits.create(form.instance, kind=SMTP, actor=ACTOR)
    return SmtpServer.objects.get(pk=form.instance.pk)


def test_the_fields_stand_in_the_manuals_order():
    own = {"mechanism", "unencrypted_accepted", *(name for name in SmtpServerForm.main if name.startswith("oauth"))}
    known = [name for name in SmtpServerForm.main if name not in own]
    labels = [str(SmtpServerForm()[name].label) for name in (*known, *SmtpServerForm.advanced[:3])]
    assert labels == [
        "Name",
        "Description",
        "SMTP Server",
        "Secure channel protocol",
        "SMTP server port",
        "Authentication",
        "User name",
        "Password",
        "Microsoft Secure Password Authentication (SPA)",
        "From Name",
        "From email",
        "Number of SMTP retries",
        "SMTP Timeout",
        "Maximum number of SMTP recipients",
    ]
    assert list(SmtpServerForm().fields) == [*SmtpServerForm.main, *SmtpServerForm.advanced]
    assert set(SmtpServerForm.shown_when) < {*SmtpServerForm.main, *SmtpServerForm.advanced}


def test_the_fields_of_an_sms_gateway_stand_in_the_manuals_order():
    form = SmsGatewayForm()
    assert [str(form[name].label) for name in SmsGatewayForm.main] == [
        "Name",
        "Description",
        "Key",
        "Secret",
        "Virtual Phone Number",
        "HTTPS",
        "Send the key and secret unencrypted",
        "Country Code",
    ]
    assert set(form.fields) == {*SmsGatewayForm.main, *SmsGatewayForm.advanced}
    assert (form["https"].value(), form["country"].value()) == (False, "AF")
    assert str(form["country"]).index("Afghanistan +93") < str(form["country"]).index("Åland Islands +358")


def test_a_new_server_is_stored_and_the_first_is_active():
    made = saved()
    assert (made.port, made.security, made.active, made.revision) == (25, "none", True, 1)
    assert made.verify_certificate is True


@pytest.mark.parametrize(("port", "stored"), [(25, 465), (2525, 2525)])
def test_choosing_ssl_sets_port_465_without_any_script(port, stored):
    assert saved(security="ssl", port=port).port == stored


def test_a_stored_port_stays_when_the_protocol_does():
    made = saved(security="ssl", port=465)
    assert saved(made, security="ssl", port=25).port == 25
    assert saved(made, security="ssl", port=25).port == 25


def test_an_empty_secret_keeps_the_stored_one_and_another_replaces_it():
    fields = {"authentication": "on", "username": "anna"}
    made = saved(**fields, password=SECRET)
    made = saved(made, **fields, password="", description="changed")
    assert (made.password.reveal(), made.description, made.revision) == (SECRET, "changed", 2)
    assert saved(made, **fields, password=" new ").password.reveal() == " new "


SIGNED_IN = {"authentication": "on", "username": "anna"}
OAUTH = {
    **SIGNED_IN,
    "mechanism": "XOAUTH2",
    "oauth_token_url": "https://login.example.com/token",
    "oauth_client_id": "client",
}


SECURE = {"security": "tls", "port": 587}


def refused(instance, **changes):
    form = SmtpServerForm(data(**changes), instance=instance)
    assert not form.is_valid()
    return {name: [problem.code for problem in found.as_data()] for name, found in form.errors.items()}


def test_a_stored_password_is_not_kept_for_another_server():
    made = saved(**SIGNED_IN, password=SECRET)
    assert refused(made, **SIGNED_IN, password="", host="evil.example") == {"password": ["moved"]}
    form = SmtpServerForm(data(**SIGNED_IN, host="evil.example"), instance=SmtpServer.objects.get())
    words = "The stored one is for other settings; with the changed “SMTP Server”, type it again."
    assert form.errors["password"] == [words]
    assert SmtpServer.objects.get().host == "mail.example.com"
    moved = saved(SmtpServer.objects.get(), **SIGNED_IN, password=SECRET, host="new.example.com")
    assert (moved.host, moved.password.reveal()) == ("new.example.com", SECRET)


@pytest.mark.parametrize("host", ["Mail.Example.COM", " mail.example.com. "])
def test_another_spelling_is_the_same_server(host):
    made = saved(**SIGNED_IN, password=SECRET)
    assert saved(made, **SIGNED_IN, password="", host=host).password.reveal() == SECRET


@pytest.mark.parametrize("unused", [{"authentication": None}, OAUTH | {"oauth_client_secret": "s"}])
def test_a_password_that_is_not_used_now_is_forgotten_with_its_server(unused):
    made = saved(**SIGNED_IN, password=SECRET)
    made = saved(made, **unused, host="evil.example")
    assert not made.password
    assert refused(made, **SIGNED_IN, password="", host="evil.example") == {"password": ["required"]}


HOW = [
    {"host": "evil.example"},
    {"port": 2525},
    {"security": "none"},
    {"security": "ssl"},
    {"verify_certificate": None},
    {"tls_minimum": "1.3"},
    {"ca_bundle": CA},
]


@pytest.mark.parametrize("change", [*HOW, {"mechanism": "LOGIN"}, {"spa": "on"}])
def test_a_stored_password_is_kept_for_the_way_it_goes_only(change):
    made = saved(**SIGNED_IN, **SECURE, password=SECRET)
    changed = SIGNED_IN | SECURE | change
    assert refused(SmtpServer.objects.get(), **changed, password="") == {"password": ["moved"]}
    assert saved(made, **changed, password="new").password.reveal() == "new"


def test_line_ends_as_browsers_post_them_are_no_other_certificates():
    made = saved(**SIGNED_IN, **SECURE, ca_bundle=CA, password=SECRET)
    posted = CA.replace("\n", "\r\n")
    assert saved(made, **SIGNED_IN, **SECURE, ca_bundle=posted, password="").password.reveal() == SECRET


@pytest.mark.parametrize(
    "change",
    [
        *HOW,
        {"oauth_token_url": "https://login.example.com/v2/token"},
        {"oauth_client_id": "other"},
        {"oauth_scope": "other"},
    ],
)
def test_a_stored_client_secret_is_kept_for_its_server_and_what_it_fetches_only(change):
    made = saved(**OAUTH, **SECURE, oauth_client_secret=SECRET)
    assert saved(made, **OAUTH, **SECURE, oauth_client_secret="", timeout=31).oauth_client_secret.reveal() == SECRET
    changed = OAUTH | SECURE | change
    assert refused(SmtpServer.objects.get(), **changed, oauth_client_secret="") == {"oauth_client_secret": ["moved"]}
    assert saved(made, **changed, oauth_client_secret="new").oauth_client_secret.reveal() == "new"


def test_a_stored_secret_is_on_no_page_and_no_change():
    made = saved(authentication="on", username="anna", password=SECRET)
    form = SmtpServerForm(instance=made)
    assert SECRET not in form.as_div()
    assert "keep the stored one" in form.as_div()
    bound = SmtpServerForm(data(authentication="on", username="anna", password=""), instance=made)
    assert bound.is_valid()
    assert "password" not in bound.changed_data


def test_a_typed_secret_is_not_shown_again_when_the_form_is_refused():
    form = SmtpServerForm(data(authentication="on", username="anna", password=SECRET, host=""))
    assert not form.is_valid()
    assert SECRET not in form.as_div()
    assert SECRET not in str(form.errors)


def test_switched_off_authentication_keeps_what_its_hidden_boxes_held():
    made = saved(authentication="on", username="anna", password=SECRET)
    made = saved(made, authentication=None, username=None, password=None, mechanism=None)
    assert (made.authentication, made.username, made.password.reveal()) == (False, "anna", SECRET)


def test_without_tls_the_certificate_stays_verified():
    made = saved(security="tls", port=587)
    made = saved(made, security="none", port=25, verify_certificate=None, tls_minimum=None)
    assert (made.verify_certificate, made.tls_minimum) == (True, "1.2")


def test_a_hidden_box_can_not_make_the_form_invalid():
    assert saved(oauth_token_url="no address", mechanism="AUTO").oauth_token_url == ""


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"name": ""}, ["name"]),
        ({"authentication": "on"}, ["username", "password"]),
        ({"spa": "on"}, ["username", "password"]),
        ({"host": "a b", "from_email": "x", "timeout": "0"}, ["host", "from_email", "timeout"]),
        ({"port": ""}, ["port"]),
        ({"security": "starttls"}, ["security"]),
    ],
)
def test_each_problem_is_told_once_at_its_field(changes, names):
    form = SmtpServerForm(data(**changes))
    assert not form.is_valid()
    assert sorted(form.errors) == sorted(names)
    assert all(len(found) == 1 for found in form.errors.values())


def test_a_name_that_is_taken_is_refused():
    smtp_server(name="Mail")
    form = SmtpServerForm(data())
    assert not form.is_valid()
    assert list(form.errors) == ["name"]


def test_a_valid_form_stores_nothing_until_it_is_saved():
    form = SmtpServerForm(data(password=SECRET))
    assert form.is_valid()
    assert not SmtpServer.objects.exists()


def test_spa_switches_authentication_on_and_is_refused_where_that_is_switched_off():
    made = saved(spa="on", username="anna", password=SECRET)
    assert (made.spa, made.authentication) == (True, True)
    form = SmtpServerForm(data(spa="on"), instance=made)
    assert form.errors == {"spa": ["SPA needs Authentication."]}


def test_a_rate_may_be_a_part_of_a_message_a_second_and_a_whole_one_is_shown_as_such():
    made = saved(rate_limit="0.5")
    assert (made.rate_limit, made.limits().rate) == (0.5, 0.5)
    assert SmtpServerForm(instance=saved(made, rate_limit="3"))["rate_limit"].value() == "3"
    assert sorted(SmtpServerForm(data(name="Other", rate_limit="-1")).errors) == ["rate_limit"]
