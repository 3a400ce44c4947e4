"""Certificate authorities made for a test: a root, an intermediate, and the certificates that they issue."""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIVE_NAME = "messageverificationcerts.paypal.com"
SANDBOX_NAME = "messageverificationcerts.sandbox.paypal.com"
DAY = datetime.timedelta(days=1)


@functools.cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key, the same one for the same number: making them takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the certificates that lead to its root."""

    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """Return the certificate and its chain, as PayPal serves them."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (self.certificate, *self.chain))


class Authority:
    """A root with one intermediate; ``number`` keeps the keys of two of them apart."""

    def __init__(self, number: int = 0) -> None:
        self.number = 10 * number
        self.root = self._authority(f"Test Root {number}", rsa_key(self.number), None)
        self.intermediate = self._authority(f"Test Intermediate {number}", rsa_key(self.number + 1), self.root)

    @property
    def root_pem(self) -> bytes:
        """Return the root, for a file of trusted authorities."""
        return self.root.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        name: str = LIVE_NAME,
        *,
        common_name: str | None = None,
        starts: datetime.timedelta = -DAY,
        ends: datetime.timedelta = 90 * DAY,
        usage: Any = ExtendedKeyUsageOID.SERVER_AUTH,
        signs: bool = True,
        key: Any = None,
    ) -> Issued:
        """Return a certificate for ``name``; times are counted from now."""
        key = key or rsa_key(self.number + 2)
        builder = (
            _builder(common_name or name, self.intermediate.certificate.subject, key, starts, ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=signs), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_issued_by(self.intermediate.key), critical=False)
        )
        certificate = builder.sign(self.intermediate.key, hashes.SHA256())
        return Issued(certificate, key, (self.intermediate.certificate,))

    def _authority(self, name: str, key: Any, parent: Issued | None) -> Issued:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = parent.certificate.subject if parent else subject
        builder = (
            _builder(name, issuer, key, -10 * DAY, 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(issues=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_issued_by(parent.key if parent else key), critical=False)
        )
        return Issued(builder.sign(parent.key if parent else key, hashes.SHA256()), key)


def self_signed(name: str = LIVE_NAME) -> Issued:
    """Return what anybody can make: a certificate of the right name that nobody vouches for."""
    key = rsa_key(900)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key, -DAY, 90 * DAY).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def elliptic_key() -> Any:
    """Return a key of another kind than PayPal's."""
    return ec.generate_private_key(ec.SECP256R1())


def _builder(
    name: str, issuer: x509.Name, key: Any, starts: datetime.timedelta, ends: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
    )


def _issued_by(key: Any) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _key_usage(*, signs: bool = True, issues: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs and not issues,
        content_commitment=False,
        key_encipherment=not issues,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )
