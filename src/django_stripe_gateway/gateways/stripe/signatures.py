"""Check the signature of a webhook delivery."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from django_stripe_gateway.gateways.stripe.accounts import StripeAccount

# ``t=1492774577,v1=5257a869…,v0=…``; strict, since the SDK reads numbers as ``int`` does: with spaces and underscores.
HEADER = re.compile(r"t=(?P<time>\d{1,12})(?:,[a-z]\w*=[0-9a-zA-Z]+)+", re.ASCII)


def signing_account(body: str, header: str, accounts: Iterable[StripeAccount], tolerance: int) -> StripeAccount | None:
    """Return the account one of whose secrets signed ``body``, ``None`` if none did.

    Args:
        header: the ``Stripe-Signature`` header.
        tolerance: seconds by which the signature's time may differ from now, in either direction: a signature from
            the future would otherwise stay good until then.

    Stripe's rule: https://docs.stripe.com/webhooks#verify-manually; the SDK compares in constant time.
    """
    import stripe  # noqa: PLC0415

    match = HEADER.fullmatch(header)
    if match is None or abs(time.time() - int(match["time"])) > tolerance:
        return None

    for account in accounts:
        # An empty secret is one that anybody can sign with.
        for secret in filter(None, account.signing_secrets):
            try:
                stripe.WebhookSignature.verify_header(body, header, secret)
            except stripe.SignatureVerificationError:
                continue
            return account
    return None
