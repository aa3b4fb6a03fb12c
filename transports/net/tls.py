"""TLS for outgoing connections: contexts, what a peer showed, and why a handshake failed."""

from __future__ import annotations

import re
import secrets
import ssl
from functools import lru_cache
from tempfile import NamedTemporaryFile

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from transports.types import Reason, ReasonCode, Scope

_KEY = re.compile(r"-----BEGIN ([A-Z ]{0,20}PRIVATE KEY-----)")
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@lru_cache(maxsize=128)
def tls_context(
    ca_bundle: str, minimum: str, *, verify: bool, alpn: tuple[str, ...] = (), certificate: str = ""
) -> ssl.SSLContext:
    """A client context; made once for equal settings, for making one takes tens of milliseconds.

    `ca_bundle` is PEM text, each certificate of which is trusted, an intermediate one too; without it the system's
    authorities count. `minimum` is "1.2" or "1.3". `alpn` are the protocols offered (RFC 7301). `certificate` is PEM
    text: what we show to the peer, with its key. Raises ssl.SSLError for a bundle that holds no certificate, and
    ValueError for a `certificate` that can't be read.
    """
    context = ssl.create_default_context(cadata=ca_bundle or None)
    if ca_bundle:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = _VERSIONS[minimum]
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if certificate:
        _show(context, certificate)
    return context


def read_certificate(pem: str) -> tuple[list[x509.Certificate], str]:
    """The certificates in `pem`, and the PEM text of the unencrypted key; raises ValueError where one is missing."""
    begins = _KEY.search(pem)
    mark = f"-----END {begins[1]}" if begins else ""
    ends = pem.find(mark, begins.end()) if begins else -1
    if begins is None or ends < 0:
        raise ValueError("there is no private key in it")
    key = pem[begins.start() : ends + len(mark)]
    load_pem_private_key(key.encode(), None)
    return x509.load_pem_x509_certificates(pem.encode()), key


def _show(context: ssl.SSLContext, pem: str) -> None:
    """Python's ssl reads what is shown to a peer from a file alone, so its key is encrypted there."""
    certificates, key = read_certificate(pem)
    password = secrets.token_bytes(32).hex().encode()
    sealed = load_pem_private_key(key.encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)
    )
    with NamedTemporaryFile(suffix=".pem") as file:
        file.write(b"".join(each.public_bytes(Encoding.PEM) for each in certificates) + sealed)
        file.flush()
        context.load_cert_chain(file.name, password=password)


def describe_peer(connection: ssl.SSLSocket) -> str:
    """TLS version, and the certificate's name, issuer and last day, in words."""
    octets = connection.getpeercert(binary_form=True)
    if octets is None:
        return str(connection.version())
    certificate = x509.load_der_x509_certificate(octets)
    until = certificate.not_valid_after_utc.date().isoformat()
    subject, issuer = _common_name(certificate.subject), _common_name(certificate.issuer)
    return f"{connection.version()}, certificate {subject}, issued by {issuer}, valid until {until}"


def handshake_failure(error: OSError | ValueError) -> Reason:
    """Why TLS could not be set up; the detail is OpenSSL's own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason(ReasonCode.CERTIFICATE_INVALID, Scope.SERVER, error.verify_message)
    if isinstance(error, TimeoutError):
        return Reason(ReasonCode.TIMEOUT, Scope.SERVER, "no answer to the TLS handshake")
    if isinstance(error, ssl.SSLError):
        return Reason(ReasonCode.TLS_FAILED, Scope.SERVER, (error.reason or str(error)).replace("_", " ").lower())
    return Reason(ReasonCode.TLS_FAILED, Scope.SERVER, str(error))


def refused_certificate(error: Exception) -> Reason | None:
    """Why the peer refused the certificate we showed, or wants one; with TLS 1.3 only the first read tells."""
    alert = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    if "ALERT" not in alert or not ("CERTIFICATE" in alert or "UNKNOWN_CA" in alert):
        return None
    return Reason(ReasonCode.CREDENTIALS_REFUSED, Scope.SERVER, alert.replace("_", " ").lower())


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
