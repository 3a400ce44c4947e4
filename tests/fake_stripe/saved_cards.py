"""Whose payment methods pay what: a saved one pays its customer's intents alone, and a removed one none."""

from __future__ import annotations

from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.state import Object


def check(method: Object, customer: str | None) -> None:
    """Refuse a payment method that is not the customer's of an intent, or that was taken from its own."""
    owner = method["customer"]
    if owner is None:
        if method.get("_detached"):
            raise ApiError(
                400,
                "This PaymentMethod was previously used without being attached to a Customer or was detached from a "
                "Customer, and may not be used again.",
                param="payment_method",
            )
        return
    if customer is None:
        raise ApiError(
            400,
            f"The PaymentMethod {method['id']} belongs to the Customer {owner}. Please include the Customer in the "
            "`customer` parameter on the PaymentIntent.",
            code="parameter_missing",
            param="customer",
        )
    if customer != owner:
        raise ApiError(
            400,
            f"The PaymentMethod {method['id']} does not belong to the Customer {customer} you supplied in the request.",
            param="payment_method",
        )
