"""Check who signed a webhook delivery: with PayPal's certificate, or by asking PayPal.

PayPal signs ``transmission id|time|webhook id|CRC-32 of the body, in decimal`` with SHA-256 and RSA; the webhook id,
which is not sent along, says whom the delivery is meant for.
https://developer.paypal.com/api/rest/webhooks/rest/#verify-webhook-signatures
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.gateways.paypal.accounts import PayPalAccount
from django_stripe_gateway.gateways.paypal.certificates import UntrustedCertificate, check_address, keys
from django_stripe_gateway.gateways.paypal.client import call
from django_stripe_gateway.gateways.paypal.objects import moment

ALGORITHM = "sha256withrsa"
# Seconds that PayPal's clock may be ahead of ours.
MAX_AHEAD = 300
TRANSMISSION_ID = re.compile(r"[0-9A-Za-z-]{8,64}", re.ASCII)
TRANSMISSION_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
# An RSA signature of 2048 to 4096 bits in base 64.
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{340,690}={0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Transmission:
    """The headers of a delivery, each of the form that PayPal gives it."""

    id: str
    time: str
    signature: str
    cert_url: str
    algorithm: str

    def message(self, body: bytes, webhook_id: str) -> bytes:
        """Return what PayPal has signed."""
        return f"{self.id}|{self.time}|{webhook_id}|{zlib.crc32(body)}".encode()


def read_transmission(headers: Mapping[str, str], tolerance: int) -> Transmission:
    """Return the transmission that ``headers`` describe; nothing is fetched and no signature looked at yet.

    Args:
        tolerance: seconds that it may be old.

    Raises:
        WebhookRejected: a header is missing, malformed or too old.
    """
    found = Transmission(
        id=headers.get("Paypal-Transmission-Id", ""),
        time=headers.get("Paypal-Transmission-Time", ""),
        signature=headers.get("Paypal-Transmission-Sig", ""),
        cert_url=headers.get("Paypal-Cert-Url", ""),
        algorithm=headers.get("Paypal-Auth-Algo", ""),
    )
    is_well_formed = (
        TRANSMISSION_ID.fullmatch(found.id)
        and TRANSMISSION_TIME.fullmatch(found.time)
        and SIGNATURE.fullmatch(found.signature)
        and found.algorithm.lower() == ALGORITHM
        and found.cert_url.isascii()
    )
    sent = moment(found.time) if is_well_formed else None
    if sent is None:
        raise refused("its headers are missing or malformed")
    age = time.time() - sent.timestamp()
    if not -MAX_AHEAD <= age <= tolerance:
        raise refused("it is too old, or from the future")
    return found


def signing_account(transmission: Transmission, body: bytes, accounts: Iterable[PayPalAccount]) -> PayPalAccount | None:
    """Return the account for one of whose webhooks PayPal has signed ``body``, ``None`` if for none of them.

    Raises:
        WebhookRejected: the certificate is not PayPal's.
        ProviderUnavailable: the certificate could not be fetched.
        GatewayConfigurationError: see ``paypal_certificates``.
    """
    signature = _decoded(transmission.signature)
    reason = ""
    for account in accounts:
        try:
            key = keys.get(transmission.cert_url, is_sandbox=account.is_sandbox)
        except UntrustedCertificate as error:
            reason = str(error)
            continue
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        for webhook_id in filter(None, account.webhook_ids):
            try:
                key.verify(signature, transmission.message(body, webhook_id), PKCS1v15(), SHA256())
            except InvalidSignature:
                continue
            return account
    if reason:
        raise refused(reason)
    return None


def confirmed_account(transmission: Transmission, text: str, accounts: Iterable[PayPalAccount]) -> PayPalAccount | None:
    """Return the account for one of whose webhooks PayPal says that it has sent ``text``, ``None`` if for none.

    Raises:
        WebhookRejected: ``text`` is not JSON, or the certificate's address is not PayPal's.
        GatewayError: PayPal could not be asked.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise WebhookRejected("The body is not JSON.", code="not_json") from None
    for account in accounts:
        try:
            check_address(transmission.cert_url, is_sandbox=account.is_sandbox)
        except UntrustedCertificate as error:
            raise refused(str(error)) from None
        for webhook_id in filter(None, account.webhook_ids):
            fields = {
                "auth_algo": transmission.algorithm,
                "cert_url": transmission.cert_url,
                "transmission_id": transmission.id,
                "transmission_sig": transmission.signature,
                "transmission_time": transmission.time,
                "webhook_id": webhook_id,
            }
            # The event as it came: another order of its fields or another escape would be another signature.
            body = f'{json.dumps(fields)[:-1]}, "webhook_event": {text}}}'
            answer = call(account, "POST", "/v1/notifications/verify-webhook-signature", body)
            if answer.get("verification_status") == "SUCCESS":
                return account
    return None


def refused(reason: str) -> WebhookRejected:
    """Return the rejection of a delivery that is not genuine; the reason is for the log alone."""
    rejected = WebhookRejected("The signature is missing or wrong.", code="bad_signature")
    rejected.add_note(reason)
    return rejected


def _decoded(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise refused("its signature is not in base 64") from None
