"""An event's body without what is personal: who it is about stays known by ids alone.

What is kept is named, and all other texts go, so that what a provider adds tomorrow is not kept by accident. Numbers
stay, for they are amounts and times, but nothing of an address, a card or somebody else's metadata does. The body can
still be read, and replayed: its ids, amounts and states are as they were.
"""

from __future__ import annotations

import json
import re
from typing import Any

# An id, a state, a currency, a moment: no name and no e-mail address.
_WORD = re.compile(r"[\w.:+-]{1,255}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,3})?", re.ASCII)
KEPT = frozenset(
    """
    id object type event_type event_version resource_type resource_version api_version account status state currency
    currency_code total subtotal charge latest_charge customer subscription invoice latest_invoice payment_intent
    setup_intent pending_setup_intent payment_method default_payment_method price product plan schedule discount
    discounts coupon promotion_code refund balance_transaction dispute subscription_item item interval usage_type
    billing_scheme tax_behavior unit_amount_decimal amount_decimal meter mode payment_status capture_method
    confirmation_method billing_reason collection_method number code decline_code failure_code reason feedback
    cancellation_reason proration_behavior behavior end_behavior missing_payment_method client_reference_id custom_id
    invoice_id create_time update_time related_ids order_id authorization_id capture_id intent context created
    """.split()
)
# What these hold is dropped whole, numbers and all.
PERSONAL = frozenset(
    """
    address shipping shipping_address shipping_details billing_details customer_details customer_address
    customer_shipping customer_tax_ids tax_ids owner payer payee payment_method_details card card_present
    us_bank_account sepa_debit bank_account source sources payment_source custom_fields individual company
    collected_information verification evidence links
    """.split()
)
# Of these no more is kept than whose they are.
PERSONAL_OBJECTS = ("tax_id",)
# What our own calls write.
OWN_METADATA = frozenset({"token", "payment_id", "attempt", "operation"})


def without_personal_data(body: str) -> str:
    """Return the event in ``body`` without personal data; what is no JSON is dropped whole."""
    try:
        return json.dumps(_walked(json.loads(body), ""))
    except (ValueError, RecursionError):
        return "{}"


def _walked(value: Any, key: str) -> Any:
    if key in PERSONAL:
        return None
    if isinstance(value, dict):
        if value.get("object") in PERSONAL_OBJECTS:
            return {name: value[name] for name in ("id", "object", "customer") if _is_word(value.get(name))}
        if key == "metadata":
            return {name: item for name, item in value.items() if name in OWN_METADATA and _is_word(item)}
        return {name: _walked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_walked(item, key) for item in value]
    if isinstance(value, str):
        is_kept = key in KEPT and _is_word(value)
        # An amount in decimals is kept, and a number by which somebody is known to a tax office is not.
        return value if is_kept or (key == "value" and _DECIMAL.fullmatch(value)) else ""
    return value


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None
