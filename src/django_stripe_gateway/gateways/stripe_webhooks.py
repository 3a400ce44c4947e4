"""Check the signature of a webhook delivery."""

from __future__ import annotations

from collections.abc import Iterable

from django_stripe_gateway.gateways.accounts import StripeAccount


def signing_account(
    body: str, header: str, accounts: Iterable[StripeAccount], tolerance: int
) -> StripeAccount | None:
    """Return the account one of whose secrets signed ``body``, ``None`` if none did.

    Args:
        header: the ``Stripe-Signature`` header.
        tolerance: seconds by which the signature's time may differ from now.

    Stripe's rule: https://docs.stripe.com/webhooks#verify-manually; the SDK compares in constant time.
    """
    import stripe  # noqa: PLC0415

    for account in accounts:
        for secret in account.webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(body, header, secret, tolerance)
            except stripe.SignatureVerificationError:
                continue
            return account
    return None
