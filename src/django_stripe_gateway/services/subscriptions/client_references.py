"""Signed references that say for whom somebody buys on a page that Stripe has made: payment links, pricing tables.

Such a page hands on whatever its address says as ``client_reference_id``, and anybody can edit an address. So the
reference is signed, holds the owner's key, and is good for a while.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from django_stripe_gateway.exceptions import InvalidInput

#: For how long a reference is good unless said otherwise: as long as somebody looks at a page.
VALID_FOR = timedelta(days=1)
# https://docs.stripe.com/payment-links/url-parameters: so many letters, digits, dashes and underscores.
MOST_CHARACTERS = 200
PREFIX = "dsg1-"
_SALT = "django_stripe_gateway.client_reference"
# Of SHA-256, in base64 without padding.
_SIGNATURE = 43


def client_reference(*, owner: Any, valid_for: timedelta = VALID_FOR) -> str:
    """Return what to give to a payment link as ``client_reference_id``, so that what is bought there is an owner's.

    Whoever pays with it pays for this owner, who is shown the payer's billing details from then on: give it to nobody
    but the owner.

    Args:
        owner: who is to have what is bought; saved.
        valid_for: until when it may have been bought at the latest.

    Raises:
        InvalidInput: the owner is not saved, or their key is too long for Stripe.
    """
    if owner is None or owner.pk is None:
        raise InvalidInput("The owner is not saved.", field="owner")
    content = json.dumps([str(owner.pk), int(time.time() + valid_for.total_seconds())], separators=(",", ":"))
    payload = PREFIX + _encode(content.encode())
    reference = payload + _signature(payload, settings.SECRET_KEY)
    if len(reference) > MOST_CHARACTERS:
        raise InvalidInput("The owner's key is too long for a reference.", field="owner")
    return reference


def owner_key_of(reference: str, *, at: float) -> str:
    """Return the key of the owner whom a reference is of, empty if it is forged, of another site, or was too old.

    Args:
        at: when it was used, in seconds since 1970.
    """
    payload, signature = reference[:-_SIGNATURE], reference[-_SIGNATURE:]
    if len(reference) > MOST_CHARACTERS or not reference.isascii() or not payload.startswith(PREFIX):
        return ""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(constant_time_compare(signature, _signature(payload, key)) for key in keys):
        return ""
    try:
        encoded = payload.removeprefix(PREFIX)
        owner_key, good_until = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError, TypeError):
        return ""
    return str(owner_key) if at <= good_until else ""


def looks_like_ours(reference: str) -> bool:
    """Return whether a reference is written as ours are, be it true or not."""
    return reference.startswith(PREFIX)


def _signature(payload: str, key: str | bytes) -> str:
    return _encode(salted_hmac(_SALT, payload, secret=key, algorithm="sha256").digest())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
