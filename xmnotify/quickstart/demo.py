"""Demo data: servers that point at the simulators, and made-up devices with their users, the same every time."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from msgspec import Struct

from devices.models import Device, Group, InstalledApp, Person, PushToken
from foundation.audit import Actor
from foundation.secrets import Secret
from servers import edits
from servers.models import Server, SmsGateway, SmtpServer
from servers.sms.kind import SMS
from servers.smtp.kind import SMTP

SERVER = "Demo mail server"
GATEWAY = "Demo SMS gateway"
DEVICES = 500
_PEOPLE = 420
_DOMAIN = "example.com"
_ACTOR = Actor("demo data")
_SECRET = "demo-secret"  # noqa: S105 - the simulator's

_GIVEN = (
    "Ada Amir Ana Anton Bea Bilal Carla Chen Daan Dana Elif Emil Eva Farid Freya Greta Hana Hugo Ida Ivan Jan Jana "
    "Kaito Karim Lea Leo Lina Luca Maja Marta Mei Mila Nadia Nils Noor Olga Omar Pia Rafael Rosa Sami Sara Sofia "
    "Tariq Theo Uma Vera Wim Yara Zoe"
).split()
_FAMILY = (
    "Ahmed Andersson Bauer Becker Bianchi Brandt Costa Dubois Eriksen Ferrari Fischer Garcia Hansen Hoffmann Ito "
    "Jensen Keller Khan Kowalski Larsen Lopez Marchand Meyer Moreau Nakamura Novak Olsen Okafor Patel Petrov Quinn "
    "Richter Rossi Sato Schmidt Silva Tanaka Vogel Weber Yilmaz Zhang Zimmermann"
).split()
_DEPARTMENTS = ("Sales", "Engineering", "Field Service", "Finance", "Human Resources", "Logistics", "Support")
_APPS = ("Secure Mail", "Secure Web", "Expenses", "Field Reports", "Words with Friends", "Chat", "Maps", "Timesheet")


class _Site(Struct, frozen=True):
    city: str
    language: str
    time_zone: str
    carriers: tuple[str, ...]


class _Product(Struct, frozen=True):
    model: str
    platform: Device.Platform
    versions: tuple[str, ...]
    has_sim: bool


_SITES = (
    _Site("London", "en-GB", "Europe/London", ("EE", "O2", "Vodafone")),
    _Site("Berlin", "de", "Europe/Berlin", ("Telekom", "Vodafone", "O2")),
    _Site("Paris", "fr", "Europe/Paris", ("Orange", "SFR", "Bouygues")),
    _Site("New York", "en-US", "America/New_York", ("Verizon Wireless", "AT&T", "T-Mobile")),
    _Site("Tokyo", "ja", "Asia/Tokyo", ("NTT Docomo", "KDDI", "SoftBank")),
)
_IOS, _ANDROID = Device.Platform.IOS, Device.Platform.ANDROID
_PRODUCTS = (
    _Product("iPhone 15", _IOS, ("18.6", "26.1"), has_sim=True),
    _Product("iPhone 16", _IOS, ("26.0", "26.1"), has_sim=True),
    _Product("iPad Air", _IOS, ("18.6", "26.1"), has_sim=False),
    _Product("Galaxy S24", _ANDROID, ("15", "16"), has_sim=True),
    _Product("Galaxy XCover7", _ANDROID, ("14", "15"), has_sim=True),
    _Product("Pixel 9", _ANDROID, ("15", "16"), has_sim=True),
    _Product("MacBook Air", Device.Platform.MACOSX, ("15.7", "26.1"), has_sim=False),
    _Product("Surface Pro", Device.Platform.WINDOWS, ("10.0.22631", "10.0.26100"), has_sim=False),
)


def seed(*, smtp_port: int, sms_port: int | None = None) -> bool:
    """Make the demo servers and devices; whether anything was made. A database with devices or servers is left."""
    with transaction.atomic():
        _move_servers(smtp_port=smtp_port, sms_port=sms_port)
        if Server.objects.exists() or Device.objects.exists():
            return False
        edits.create(
            SmtpServer(
                name=SERVER,
                description="The simulated mail server of the quick start. It delivers nothing to the outside.",
                host="127.0.0.1",
                port=smtp_port,
                authentication=True,
                username="demo",
                password=_SECRET,
                unencrypted_accepted=True,
                from_name="xmnotify demo",
                from_email=f"xmnotify@{_DOMAIN}",
            ),
            kind=SMTP,
            actor=_ACTOR,
        )
        if sms_port:
            edits.create(_gateway(port=sms_port), kind=SMS, actor=_ACTOR)
        _make_devices(now=timezone.now())
    return True


def _gateway(*, port: int) -> SmsGateway:
    return SmsGateway(
        name=GATEWAY,
        description="The simulated SMS service of the quick start. It reaches no phone.",
        key="demo",
        secret=_SECRET,
        virtual_number="12015550123",
        unencrypted_accepted=True,
        country="GB",
        base_url=_loopback(port),
    )


def sample_serial() -> str:
    """A seeded phone whose user has a mail address."""
    return _serial(0)


def simulated_sms(*, sms_port: int) -> bool:
    """Whether an SMS would end in the simulator."""
    return SmsGateway.objects.filter(active=True, base_url=_loopback(sms_port)).exists()


def is_harmless(*, smtp_port: int) -> bool:
    """Whether an event about the seeded phone would end in the simulator, and not at a mail server in earnest."""
    active = SmtpServer.objects.filter(active=True, host__in=("127.0.0.1", "localhost"), port=smtp_port)
    return active.exists() and Device.objects.filter(serial=sample_serial()).exists()


def _move_servers(*, smtp_port: int, sms_port: int | None) -> None:
    """Let the demo servers follow the simulators to other ports."""
    for server in SmtpServer.objects.filter(name=SERVER, host="127.0.0.1").exclude(port=smtp_port):
        server.port = smtp_port
        if server.authentication:
            server.password = Secret.of(_SECRET)
        edits.change(server, kind=SMTP, actor=_ACTOR, now=timezone.now())
    if sms_port is None:
        return
    own = SmsGateway.objects.filter(name=GATEWAY, base_url__startswith="http://127.0.0.1:")
    for gateway in own.exclude(base_url=_loopback(sms_port)):
        gateway.base_url, gateway.secret = _loopback(sms_port), Secret.of(_SECRET)
        edits.change(gateway, kind=SMS, actor=_ACTOR, now=timezone.now())


def _loopback(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _make_devices(*, now: datetime) -> None:
    dice = random.Random(500)  # noqa: S311 - the same data every time, no secret
    groups = {name: Group.objects.get_or_create(name=name)[0] for name in _DEPARTMENTS}
    people = Person.objects.bulk_create(_person(number, dice=dice) for number in range(_PEOPLE))
    membership = Person.groups.through
    membership.objects.bulk_create(
        membership(person_id=person.pk, group_id=groups[person.properties["department"]].pk) for person in people
    )
    devices = Device.objects.bulk_create(
        _device(number, people=people, dice=dice, now=now) for number in range(DEVICES)
    )
    InstalledApp.objects.bulk_create(
        InstalledApp(device=device, name=name) for device in devices for name in dice.sample(_APPS, dice.randint(1, 4))
    )
    PushToken.objects.bulk_create(
        _push_token(device, dice=dice, now=now) for device in devices if device.platform in {_IOS, _ANDROID}
    )


def _person(number: int, *, dice: random.Random) -> Person:
    site = _SITES[number % len(_SITES)]
    given, family = dice.choice(_GIVEN), dice.choice(_FAMILY)
    login = f"{given}.{family}{number}".lower()
    return Person(
        loginname=login,
        username=login,
        domainname=_DOMAIN,
        displayname=f"{given} {family}",
        mail="" if number % 40 == 39 else f"{login}@{_DOMAIN}",
        mobile=f"+447700900{number:03}",  # 07700 900000 to 900999 are Ofcom's numbers for made-up people
        language=site.language,
        time_zone=site.time_zone,
        properties={
            "department": dice.choice(_DEPARTMENTS),
            "city": site.city,
            "employee_number": str(10_000 + number),
        },
    )


def _device(number: int, *, people: list[Person], dice: random.Random, now: datetime) -> Device:
    product = _PRODUCTS[number % len(_PRODUCTS)]
    person = people[number % len(people)]
    site = _SITES[number % len(people) % len(_SITES)]
    owner = person.displayname.split()[0]
    return Device(
        serial=_serial(number),
        imei=f"35{number:013}" if product.has_sim else "",
        platform=product.platform,
        os_version=dice.choice(product.versions),
        model=product.model,
        name=f"{owner}'s {product.model}",
        ownership=dice.choices(Device.Ownership.values, weights=(70, 25, 5))[0],
        phone_number=person.mobile if product.has_sim else "",
        carrier=dice.choice(site.carriers) if product.has_sim else "",
        has_sim=product.has_sim,
        jailbroken=dice.random() < 0.02,
        out_of_compliance=dice.random() < 0.06,
        gateway_blocked=dice.random() < 0.02,
        last_access=now - timedelta(hours=min(dice.expovariate(1 / 20), 24 * 90)),
        person=person,
        properties={"ASSET_TAG": f"XM-{number:05}", "SITE": site.city},
    )


def _push_token(device: Device, *, dice: random.Random, now: datetime) -> PushToken:
    kind = PushToken.Kind.APNS if device.platform == _IOS else PushToken.Kind.FCM
    token = f"{dice.getrandbits(256):064x}" if kind is PushToken.Kind.APNS else f"demo:{dice.getrandbits(600):0150x}"
    return PushToken(device=device, kind=kind, token=token, registered_at=now)


def _serial(number: int) -> str:
    return f"DEMO{number:06}"
