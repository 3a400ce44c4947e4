"""Stripe's test payment methods and what happens when they are charged (https://docs.stripe.com/testing)."""

from __future__ import annotations

import dataclasses
from typing import Literal

from tests.fake_stripe.errors import no_such
from tests.fake_stripe.state import Object, Scope

Outcome = Literal["succeeds", "declined", "requires_action", "processing"]


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What a payment method does; `code` and `decline_code` say why a declined one is.

    `attaches` says whether a customer can save it; `once` whether one authentication is enough for ever.
    """

    outcome: Outcome = "succeeds"
    last4: str = "4242"
    brand: str = "visa"
    code: str = "card_declined"
    decline_code: str | None = None
    message: str = "Your card was declined."
    type: str = "card"
    attaches: bool = True
    once: bool = False


def _declined(last4: str, decline_code: str, message: str = "Your card was declined.") -> Behaviour:
    return Behaviour("declined", last4, decline_code=decline_code, message=message, attaches=False)


_GENERIC = _declined("0002", "generic_decline")
_FUNDS = _declined("9995", "insufficient_funds", "Your card has insufficient funds.")
_BANK = Behaviour("processing", "6789", "", type="us_bank_account")

METHODS: dict[str, Behaviour] = {
    "pm_card_visa": Behaviour(),
    "pm_card_us": Behaviour(),
    "pm_card_visa_debit": Behaviour(last4="5556"),
    "pm_card_mastercard": Behaviour(last4="4444", brand="mastercard"),
    "pm_card_amex": Behaviour(last4="8431", brand="amex"),
    "pm_card_bypassPending": Behaviour(last4="0077"),
    "pm_card_chargeDeclined": _GENERIC,
    "pm_card_visa_chargeDeclined": _GENERIC,
    "pm_card_chargeDeclinedInsufficientFunds": _FUNDS,
    "pm_card_visa_chargeDeclinedInsufficientFunds": _FUNDS,
    "pm_card_chargeDeclinedFraudulent": _declined("0019", "fraudulent"),
    "pm_card_visa_chargeDeclinedLostCard": _declined("9987", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declined("9979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": Behaviour(
        "declined", "0069", code="expired_card", message="Your card has expired.", attaches=False
    ),
    "pm_card_chargeDeclinedIncorrectCvc": Behaviour(
        "declined", "0127", code="incorrect_cvc", message="Your card's security code is incorrect.", attaches=False
    ),
    "pm_card_chargeDeclinedProcessingError": Behaviour(
        "declined",
        "0119",
        code="processing_error",
        message="An error occurred while processing your card. Try again in a little bit.",
        attaches=False,
    ),
    # Can be saved, and fails only when it is charged.
    "pm_card_chargeCustomerFail": Behaviour("declined", "0341", decline_code="generic_decline"),
    "pm_card_authenticationRequired": Behaviour("requires_action", "3184"),
    "pm_card_authenticationRequiredOnSetup": Behaviour("requires_action", "3155", once=True),
    "pm_card_threeDSecure2Required": Behaviour("requires_action", "3220"),
    "pm_card_threeDSecureRequired": Behaviour("requires_action", "3220"),
    "pm_usBankAccount_success": _BANK,
    "pm_usBankAccount": _BANK,
}


def take(scope: Scope, identifier: str) -> Object:
    """Return the payment method; a test name such as `pm_card_visa` makes a new one with an id of its own."""
    behaviour = METHODS.get(identifier)
    if behaviour is not None and not scope.livemode:
        return scope.add(_payment_method(scope, behaviour))
    found = scope.find("payment_method", identifier)
    if found is None:
        raise no_such("PaymentMethod", identifier, param="payment_method", in_url=False)
    return found


def behaviour_of(method: Object) -> Behaviour:
    """Return what this payment method does when charged."""
    found: Behaviour = method["_behaviour"]
    return found


def authenticated(method: Object) -> None:
    """Remember that the customer has authenticated; some cards ask for it once only."""
    if behaviour_of(method).once:
        pass_authentication(method)


def pass_authentication(method: Object) -> None:
    """Let a payment method be charged, as on a page that the customer is looking at."""
    method["_behaviour"] = dataclasses.replace(behaviour_of(method), outcome="succeeds")


def checkout_method(scope: Scope, kind: str) -> Object:
    """Return a new payment method as a customer gives it on the hosted page: "card", or "async" for a bank debit."""
    behaviour = _BANK if kind == "async" else METHODS.get(kind, Behaviour())
    return scope.add(_payment_method(scope, behaviour))


def _payment_method(scope: Scope, behaviour: Behaviour) -> Object:
    method: Object = {
        "id": scope.new_id("pm_"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "created": scope.now(),
        "customer": None,
        "customer_account": None,
        "livemode": scope.livemode,
        "metadata": {},
        "type": behaviour.type,
        "_behaviour": behaviour,
    }
    method[behaviour.type] = details(behaviour)
    if behaviour.type == "card":
        method["card"].update(
            display_brand=behaviour.brand,
            generated_from=None,
            networks={"available": [behaviour.brand], "preferred": None},
            regulated_status="unregulated",
            three_d_secure_usage={"supported": True},
        )
    return method


def details(behaviour: Behaviour) -> Object:
    """Return the part of `payment_method_details` that stands under the type's name."""
    if behaviour.type != "card":
        return {"bank_name": "STRIPE TEST BANK", "last4": behaviour.last4, "fingerprint": "FFDMA0xfhBjWSZLu"}
    return {
        "brand": behaviour.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "exp_month": 8,
        "exp_year": 2034,
        "fingerprint": "AOB934RVNwzk6xtn",
        "funding": "credit",
        "last4": behaviour.last4,
        "network": behaviour.brand,
        "three_d_secure": None,
        "wallet": None,
    }
