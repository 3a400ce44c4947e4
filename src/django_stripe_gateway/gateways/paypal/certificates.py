"""The certificate that PayPal signs its webhooks with: fetched from PayPal alone, and trusted for its chain alone.

The address comes in a header that anybody can write. It is compared with PayPal's hosts before anything is fetched,
and what is fetched must lead to a trusted root, be valid today and be issued to PayPal's signing service.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, ProviderUnavailable
from django_stripe_gateway.gateways.paypal.client import pool

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import Store

LIVE_HOSTS = frozenset({"api.paypal.com", "api-m.paypal.com"})
SANDBOX_HOSTS = frozenset({"api.sandbox.paypal.com", "api-m.sandbox.paypal.com"})
# Whom the certificate is issued to, https://developer.paypal.com/api/rest/webhooks/rest/
LIVE_NAME = "messageverificationcerts.paypal.com"
SANDBOX_NAME = "messageverificationcerts.sandbox.paypal.com"
# The whole address: no user, no port, no query, no dots or escapes that another parser might read differently.
ADDRESS = re.compile(r"https://(?P<host>[a-z.-]{1,64})/v1/notifications/certs/[A-Za-z0-9_-]{1,128}", re.ASCII)

PEM_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

TIMEOUT = (3.0, 5.0)
MAX_BYTES = 64 * 1024
MAX_CHAIN = 8
SMALLEST_KEY = 2048
# PayPal has a handful of certificates at a time.
MAX_KEYS = 16
MAX_FAILURES = 256
KEY_SECONDS = 24 * 60 * 60
FAILURE_SECONDS = 60
# Addresses cost a download each: whoever makes them up must not keep all workers busy with it.
MAX_DOWNLOADS = 4


class UntrustedCertificate(Exception):
    """The address or what is found there is not PayPal's signing certificate; the text says why."""


class KeyCache:
    """The keys of the certificates that were verified, and the addresses that led to none."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._keys: OrderedDict[tuple[str, bool, str], tuple[RSAPublicKey, float]] = OrderedDict()
        self._failures: OrderedDict[tuple[str, bool, str], tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._downloads = threading.BoundedSemaphore(MAX_DOWNLOADS)

    def get(self, address: str, *, is_sandbox: bool) -> RSAPublicKey:
        """Return the key of the certificate at ``address``.

        Raises:
            UntrustedCertificate: it is not to be trusted.
            ProviderUnavailable: it could not be fetched now.
            GatewayConfigurationError: ``cryptography`` or the file of authorities is missing.
        """
        check_address(address, is_sandbox=is_sandbox)
        key = (address, is_sandbox, gateway_settings.paypal_ca_bundle)
        found = self._known(key)
        if found is None:
            try:
                found, until = _trusted_key(self._download(address), is_sandbox=is_sandbox)
            except UntrustedCertificate as error:
                self._remember_failure(key, str(error))
                raise
            with self._lock:
                self._keys[key] = (found, until)
                while len(self._keys) > MAX_KEYS:
                    self._keys.popitem(last=False)
        return found

    def _known(self, key: tuple[str, bool, str]) -> RSAPublicKey | None:
        now = time.time()
        with self._lock:
            found, until = self._keys.get(key, (None, 0.0))
            reason, failed_until = self._failures.get(key, ("", 0.0))
        if found is not None and now < until:
            return found
        if now < failed_until:
            raise UntrustedCertificate(reason)
        return None

    def _remember_failure(self, key: tuple[str, bool, str], reason: str) -> None:
        with self._lock:
            self._failures[key] = (reason, time.time() + FAILURE_SECONDS)
            while len(self._failures) > MAX_FAILURES:
                self._failures.popitem(last=False)

    def _download(self, address: str) -> bytes:
        if not self._downloads.acquire(blocking=False):
            raise ProviderUnavailable("Too many of PayPal's certificates are being fetched. Try again.")
        try:
            return _fetch(address)
        finally:
            self._downloads.release()


def check_address(address: str, *, is_sandbox: bool) -> None:
    """Check that ``address`` is one of PayPal's for signing certificates.

    Args:
        is_sandbox: the sandbox's hosts are meant, which never speak for a live account.

    Raises:
        UntrustedCertificate: it is not.
    """
    match = ADDRESS.fullmatch(address)
    hosts = SANDBOX_HOSTS | LIVE_HOSTS if is_sandbox else LIVE_HOSTS
    # Twice on purpose: the address is fetched by a library with a parser of its own.
    if match is None or match["host"] not in hosts or urlsplit(address).hostname != match["host"]:
        raise UntrustedCertificate("The address of the certificate is not PayPal's.")


def _fetch(address: str) -> bytes:
    import requests  # noqa: PLC0415

    failure: Exception
    try:
        with pool.get().get(address, timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
            if response.status_code >= 500 or response.status_code == 429:
                raise ProviderUnavailable("PayPal's certificate could not be fetched. Try again.")
            if response.status_code != 200:
                raise UntrustedCertificate(f"PayPal has no certificate at the address ({response.status_code}).")
            content = b""
            for chunk in response.iter_content(8192):
                content += chunk
                if len(content) > MAX_BYTES:
                    raise UntrustedCertificate("What is at the certificate's address is too large.")
            return content
    except requests.RequestException as error:
        failure = ProviderUnavailable(f"PayPal's certificate could not be fetched ({type(error).__name__}).")
    raise failure


def _trusted_key(pem: bytes, *, is_sandbox: bool) -> tuple[RSAPublicKey, float]:
    """Return the key of the first certificate in ``pem``, and until when it may be used without another look."""
    try:
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    except ImportError:
        raise GatewayConfigurationError(
            "PayPal's webhooks cannot be verified without the package cryptography. Install "
            'django-stripe-gateway[paypal], or set STRIPE_GATEWAY_PAYPAL_WEBHOOK_VERIFICATION = "api".'
        ) from None
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise UntrustedCertificate("There is no certificate at the address.") from None
    if len(chain) > MAX_CHAIN:
        raise UntrustedCertificate("The certificate's chain is too long.")
    leaf = chain[0]
    _verify_chain(leaf, chain[1:], is_sandbox=is_sandbox)
    _verify_usage(leaf)
    key = leaf.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY:
        raise UntrustedCertificate("The certificate's key is not an RSA key of 2048 bits or more.")
    return key, min(leaf.not_valid_after_utc.timestamp(), time.time() + KEY_SECONDS)


def _verify_chain(leaf: Certificate, intermediates: list[Certificate], *, is_sandbox: bool) -> None:
    """Build the path to a root; validity, names, constraints and signatures are checked on the way."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509 import verification  # noqa: PLC0415

    store = _store()
    reason = ""
    for name in (SANDBOX_NAME, LIVE_NAME) if is_sandbox else (LIVE_NAME,):
        builder = verification.PolicyBuilder().store(store).time(datetime.now(UTC))
        try:
            builder.build_server_verifier(x509.DNSName(name)).verify(leaf, intermediates)
        except (verification.VerificationError, ValueError) as error:
            reason = str(error)
        else:
            if name in _common_names(leaf):
                return
            reason = "its subject is another one"
    raise UntrustedCertificate(f"The certificate is not one of PayPal's signing service: {reason[:200]}.")


def _verify_usage(leaf: Certificate) -> None:
    from cryptography import x509  # noqa: PLC0415

    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        raise UntrustedCertificate("The certificate's key is not one for signatures.")


def _common_names(leaf: Certificate) -> list[str | bytes]:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    return [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _store() -> Store:
    """Return the trusted authorities; read when a certificate is new, which is about once a day."""
    import certifi  # noqa: PLC0415
    from cryptography.x509.verification import Store  # noqa: PLC0415

    path = gateway_settings.paypal_ca_bundle or certifi.where()
    try:
        with open(path, "rb") as bundle:
            blocks = PEM_BLOCK.findall(bundle.read())
        return Store(list(_readable(blocks)))
    except (OSError, ValueError) as error:
        raise GatewayConfigurationError(
            f"STRIPE_GATEWAY_PAYPAL_CA_BUNDLE cannot be read ({type(error).__name__}). Name a file of certificates."
        ) from None


def _readable(blocks: Iterable[bytes]) -> Iterator[Certificate]:
    """Yield the certificates that can be read: among the public ones are some that newer versions will refuse."""
    from cryptography import x509  # noqa: PLC0415

    for block in blocks:
        with contextlib.suppress(ValueError, Warning):
            yield x509.load_pem_x509_certificate(block)


keys = KeyCache()
