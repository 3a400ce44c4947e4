"""Build the objects with the fields that Stripe shows, in the current shape."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import balance, cards
from tests.fake_stripe.errors import invalid
from tests.fake_stripe.state import Object, Scope

_NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def merged_metadata(current: dict[str, str], given: dict[str, str] | str | None) -> dict[str, str]:
    """Return metadata after an update: an empty value takes a key away, an empty string takes all.

    Refuses what is over Stripe's limits: 50 keys, 40 characters a key, 500 a value.
    """
    if given == "":
        return {}
    out = dict(current)
    for key, value in (given or {}).items():  # type: ignore[union-attr]
        if len(key) > 40:
            raise invalid(f"Metadata keys can have up to 40 characters, but {key!r} has {len(key)}.", "metadata")
        if len(value) > 500:
            raise invalid(
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)} "
                f"characters. Invalid value: {value}",
                f"metadata[{key}]",
            )
        out[key] = value
        if value == "":
            del out[key]
    if len(out) > 50:
        raise invalid("Metadata can have up to 50 keys.", "metadata")
    return out


def payment_intent(scope: Scope, *, amount: int, currency: str, **fields: Any) -> Object:
    """Return a new intent that waits for a payment method."""
    identifier = scope.new_id("pi_")
    intent: Object = {
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{identifier}_secret_{scope.new_id('')[:25]}",
        "confirmation_method": "automatic",
        "created": scope.now(),
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": scope.livemode,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    intent.update(fields)
    return intent


def charge(scope: Scope, intent: Object, method: Object, *, status: str, captured: bool) -> Object:
    """Return a new charge of an intent; a failed one carries the reason of its payment method."""
    behaviour = cards.behaviour_of(method)
    failed = status == "failed"
    identifier = scope.new_id("ch_" if behaviour.type == "card" else "py_")
    return {
        "id": identifier,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": intent["application_fee_amount"],
        "balance_transaction": _booked(scope, identifier, intent) if captured and status == "succeeded" else None,
        "billing_details": {"address": dict(_NO_ADDRESS), "email": None, "name": None, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "FAKE STRIPE",
        "captured": captured,
        "created": scope.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": behaviour.code if failed else None,
        "failure_message": behaviour.message if failed else None,
        "fraud_details": {},
        "livemode": scope.livemode,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": intent["on_behalf_of"],
        "outcome": _outcome(behaviour, failed),
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {behaviour.type: cards.details(behaviour), "type": behaviour.type},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None if failed else f"https://pay.stripe.com/receipts/payment/{identifier}",
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": intent["transfer_data"],
        "transfer_group": None,
    }


def _booked(scope: Scope, charge_id: str, intent: Object) -> str:
    fee = scope.state.platform_fee
    return balance.book(scope, charge_id, "charge", intent["amount"], intent["currency"], platform_fee=fee)


def _outcome(behaviour: cards.Behaviour, failed: bool) -> Object:
    return {
        "advice_code": "try_again_later" if failed else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": behaviour.decline_code if failed else None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank declined the payment." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def refund(scope: Scope, charge: Object, *, amount: int, status: str) -> Object:
    """Return a new refund of a charge."""
    identifier = scope.new_id("re_")
    return {
        "id": identifier,
        "object": "refund",
        "amount": amount,
        # Nothing has moved while it is pending.
        "balance_transaction": None
        if status == "pending"
        else balance.book(scope, identifier, "refund", -amount, charge["currency"]),
        "charge": charge["id"],
        "created": scope.now(),
        "currency": charge["currency"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "pending" if status == "pending" else "refund",
            },
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


_EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal "
    "customer_communication customer_email_address customer_name customer_purchase_ip customer_signature "
    "duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt "
    "refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation "
    "shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number "
    "uncategorized_file uncategorized_text"
).split()


def dispute(scope: Scope, charge: Object, *, amount: int, reason: str, status: str) -> Object:
    """Return a new dispute of a charge."""
    return {
        "id": scope.new_id("du_"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": scope.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": scope.now() + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": status.startswith("warning"),
        "livemode": scope.livemode,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": reason,
        "status": status,
    }
