"""Payments of guests: nobody has signed in, and a token opens the payment to whoever made it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from django_stripe_gateway.choices import LogEvent
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.transactions import lock_payment, money_transaction, retry_on_deadlock

SALT = "django_stripe_gateway.guest_token"
PREFIX = "guest_"


def guest_token(*, payment: AbstractPayment) -> str:
    """Return the secret that opens a guest's payment, the same each time; give it to its payer alone.

    It is made of what only this project has, and is not stored. The payment's ``token``, which the provider shows, is
    another thing.
    """
    return _token(payment, settings.SECRET_KEY)


def opens(payment: AbstractPayment, token: str) -> bool:
    """Return whether ``token`` opens a payment: only a guest's that nobody has claimed; compares in constant time."""
    if not payment.is_guest or payment.owner_id is not None or not token.isascii():
        return False
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(_token(payment, key), token) for key in keys)


@retry_on_deadlock
def claim_payment(
    *, payment: AbstractPayment, guest_token: str, owner: Any, origin: Origin = SYSTEM
) -> AbstractPayment:
    """Give a guest's payment to the user who has signed in since. The token opens nothing from then on.

    A repeat for the same user changes nothing.

    Args:
        guest_token: what the guest was given when the payment was made.
        owner: the user.

    Raises:
        InvalidInput: the token does not open the payment, or it is somebody's already.
    """
    with money_transaction():
        payment = lock_payment(payment.pk)
        if payment.owner_id is not None and payment.owner_id == owner.pk:
            return payment
        if not opens(payment, guest_token):
            raise InvalidInput("The token opens no payment of a guest.", code="wrong_guest_token")
        payment.owner_id, payment.is_guest = owner.pk, False
        payment.save(update_fields=["owner", "is_guest", "modified"])
        write_log(payment, LogEvent.UPDATED, origin, "claimed by its payer", {"owner": str(owner.pk)})
    return payment


def _token(payment: AbstractPayment, key: str | bytes) -> str:
    made = salted_hmac(SALT, f"{payment.pk}:{payment.token}", secret=key, algorithm="sha256")
    return f"{PREFIX}{made.hexdigest()}"
