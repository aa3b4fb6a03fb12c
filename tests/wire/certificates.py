"""Certificates made for one test: an authority, and servers that it vouches for."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """A certificate authority, a root or below `issuer`; `pem` is its certificate."""

    def __init__(self, folder: Path, *, issuer: Authority | None = None) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = named("Test Authority" if issuer is None else "Test Intermediate")
        signer = issuer or self
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            signer._builder(self._name, self._key, days=10)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer._key.public_key()), critical=False)
            .sign(signer._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(
        self, *, name: str = "localhost", days: int = 5, self_signed: bool = False, sends: str = ""
    ) -> ssl.SSLContext:
        """A server's context. The certificate names `name` and 127.0.0.1 if that is "localhost"; `days` may be past.

        `sends` are certificates that the server shows with its own.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if name == "localhost":
            names.append(x509.IPAddress(ip_address("127.0.0.1")))
        certificate = (
            self._builder(named(name), key, days=days, self_signed=self_signed)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key((key if self_signed else self._key).public_key()),
                critical=False,
            )
            .sign(key if self_signed else self._key, hashes.SHA256())
        )
        chain = self._folder / f"{certificate.serial_number}.pem"
        chain.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + sends.encode()
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def client(self, name: str, *, days: int = 5) -> str:
        """The PEM text of a client's certificate with its key; `days` may be past."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(named(name), key, days=days)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        sealed = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (certificate.public_bytes(serialization.Encoding.PEM) + sealed).decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int, self_signed: bool = False
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 10 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
