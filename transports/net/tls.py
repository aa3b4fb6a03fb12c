"""TLS for outgoing connections: contexts, what a peer showed, and why a handshake failed."""

from __future__ import annotations

import ssl
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from transports.types import Reason, ReasonCode, Scope

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@lru_cache(maxsize=128)
def tls_context(ca_bundle: str, minimum: str, *, verify: bool) -> ssl.SSLContext:
    """A client context; made once for equal settings, for making one takes tens of milliseconds.

    `ca_bundle` is PEM text, each certificate of which is trusted, an intermediate one too; without it the system's
    authorities count. `minimum` is "1.2" or "1.3". Raises ssl.SSLError for a bundle that holds no certificate.
    """
    context = ssl.create_default_context(cadata=ca_bundle or None)
    if ca_bundle:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = _VERSIONS[minimum]
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


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


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
