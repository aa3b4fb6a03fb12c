"""What all tests share: a certificate for loopback, and a database of the kind that production has."""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.db import connection
from django.test import override_settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from dispatch.wakeup import broker_watch, liveness
from xmnotify.operations import readiness

# How long an example takes is the machine's affair.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


def pytest_report_header():
    broker = settings.CELERY_BROKER_URL.partition("://")[0]
    return f"database: {connection.vendor}, broker: {broker}"


@pytest.fixture(autouse=True)
def _nothing_seen_before(monkeypatch):
    """No test knows what another one saw of workers, sweep and broker."""
    monkeypatch.setattr("dispatch.wakeup.liveness._memory", liveness.Memory())
    monkeypatch.setattr("xmnotify.operations.readiness._last_try", readiness._Try())
    monkeypatch.setattr("dispatch.wakeup.broker_watch._watch", broker_watch.Watch())


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A PEM file with a key and a self-signed certificate for localhost, 127.0.0.1 and ::1, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, tmp_path_factory):
    """SQLite in a file, as in production: threads and worker processes see one database, and its locks are real."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_quickly():
    """What a hash costs is the affair of unit/console/test_hashing.py alone."""
    with override_settings(PASSWORD_HASHERS=["tests.hashing.QuickHasher", *settings.PASSWORD_HASHERS[1:]]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _tables_are_emptied_quickly():
    """PostgreSQL makes new files for each table that is truncated, and has each deleted from in no time."""
    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setattr(connection.ops, "sql_flush", _deletions)
        yield


def _deletions(_style, tables, **_):
    """All in one statement, for which no connection may hold any of them; foreign keys are looked at when it ends."""
    names = [connection.ops.quote_name(table) for table in tables]
    return ["; ".join([f"LOCK {', '.join(names)}", *(f"DELETE FROM {name}" for name in names)])]


@pytest.fixture(scope="session", autouse=True)
def _static_files_where_they_lie():
    """No test needs the static files collected."""
    storages = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    middleware = [name for name in settings.MIDDLEWARE if not name.startswith("whitenoise.")]
    with override_settings(STORAGES=storages, MIDDLEWARE=middleware):
        yield
