"""What happens to Checkout Sessions, whoever causes it. Call with the state's lock held."""

from __future__ import annotations

import decimal
import hashlib
import re
from collections.abc import Callable
from typing import Any

from tests.fake_stripe import (
    cards,
    checkout_totals,
    destinations,
    discounting,
    item_rules,
    money,
    objects,
    payments,
    price_objects,
    pricing,
    saved_cards,
    trials,
)
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope

#: What completing a session of a mode does before the session is complete: (scope, session, payment method kind). It
#: returns whether the session is complete then.
MODES: dict[str, Callable[[Scope, Object, str], bool]] = {}

_COPIED = (
    *("allow_promotion_codes", "client_reference_id", "customer", "customer_email", "locale", "submit_type"),
    *("cancel_url", "success_url", "redirect_on_completion", "return_url"),
)
_HALF_HOUR, _DAY = 1800, 86400


def create(scope: Scope, params: Object) -> Object:
    """Create an open session from an API request; refuse what Stripe refuses."""
    mode = params.get("mode")
    if not mode:
        raise missing_param("mode")
    if mode not in MODES:
        raise ApiError(501, f"The fake Stripe does not implement Checkout in mode {mode}", type="api_error")
    _check(params)
    if "customer" in params:
        scope.get("customer", params["customer"], param="customer", in_url=False)
    metadata = objects.merged_metadata({}, params.get("metadata"))
    items = [_line_item(scope, item, index) for index, item in enumerate(params.get("line_items", []))]
    recurring = [item for item in items if item["price"]["recurring"]]
    if (mode == "subscription") != bool(recurring):
        raise invalid(f"You specified `{mode}` mode but passed prices that do not fit it.", "line_items")
    currency = _one_currency(items)
    if mode == "subscription":
        _check_subscription(scope, items, currency, params)
    subtotal = sum(item["amount_total"] for item in items)
    buyer = scope.find("customer", params.get("customer"))
    used = discounting.discounts(scope, params.get("discounts"), buyer)
    discounting.check_applies(scope, used, [item["price"] for item in items])
    discounting.check_minimum(scope, used, subtotal)
    off = sum(discounting.amounts(scope, subtotal, used))
    data = params.get("subscription_data", {})
    # A trial is paid for when it ends.
    total = 0 if data.get("trial_end") or data.get("trial_period_days") else subtotal - off
    if total and mode == "payment":
        money.check_amount(total, currency, "line_items")
    destinations.check(scope, params.get("payment_intent_data", {}), total, "payment_intent_data")
    session = _session(scope, mode, params.get("expires_at"))
    session.update({name: params[name] for name in _COPIED if name in params})
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        session.update(ui_mode=params["ui_mode"], url=None, client_secret=f"{session['id']}_secret_fake")
    session.update(
        amount_subtotal=subtotal,
        amount_total=total,
        currency=currency,
        metadata=metadata,
        payment_method_types=params.get("payment_method_types") or params.get("allowed_payment_method_types", ["card"]),
        _line_items=items,
        _automatic_tax=params.get("automatic_tax", {}).get("enabled", False),
        _discounts=params.get("discounts"),
        _payment_intent_data=params.get("payment_intent_data", {}),
        _setup_intent_data=params.get("setup_intent_data", {}),
        _subscription_data=params.get("subscription_data", {}),
    )
    session["saved_payment_method_options"] = _saved_options(params)
    if "payment_method_collection" in params:
        session["payment_method_collection"] = params["payment_method_collection"]
    session["total_details"]["amount_discount"] = off
    checkout_totals.open_with(scope, session, params)
    session["customer_details"] = {"email": params["customer_email"]} if "customer_email" in params else None
    if session["customer_details"]:
        session["customer_details"].update(address=None, name=None, phone=None, tax_exempt="none", tax_ids=None)
    return scope.add(session)


def _saved_options(params: Object) -> Object | None:
    if "customer" not in params:
        return None
    shown = {"allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": None}
    return shown | params.get("saved_payment_method_options", {})


def _check(params: Object) -> None:
    if params["mode"] != "setup" and not params.get("line_items"):
        raise missing_param("line_items")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        for name in ("success_url", "cancel_url"):
            if name in params:
                raise invalid(f"`{name}` can not be used with `ui_mode`: `{params['ui_mode']}`.", name)
        if ("return_url" in params) == (params.get("redirect_on_completion") == "never"):
            raise invalid("`return_url` is required unless `redirect_on_completion` is `never`.", "return_url")
    else:
        if "success_url" not in params:
            raise missing_param("success_url")
        for name in ("success_url", "cancel_url"):
            if name in params and not re.match(r"https?://[^\s/]+", params[name]):
                raise invalid("Not a valid URL", name, "url_invalid")
    if "customer" in params and "customer_email" in params:
        raise invalid("You may only specify one of these parameters: customer, customer_email.", "customer_email")
    if "payment_method_collection" in params and params["mode"] != "subscription":
        raise invalid(
            "`payment_method_collection` can only be used in `subscription` mode.", "payment_method_collection"
        )
    if params.get("payment_intent_data") and params["mode"] != "payment":
        raise invalid("You can not pass `payment_intent_data` in `subscription` mode.", "payment_intent_data")
    objects.merged_metadata({}, params.get("payment_intent_data", {}).get("metadata"))


def _check_subscription(scope: Scope, lines: list[Object], currency: str, params: Object) -> None:
    """Refuse lines that could not be a subscription's items."""
    if any(not line["price"]["recurring"] for line in lines):
        raise ApiError(
            501, "The fake Stripe does not implement one-time prices beside recurring ones", type="api_error"
        )
    mode = params.get("subscription_data", {}).get("billing_mode", {"type": "flexible"})
    try:
        item_rules.check({"billing_mode": mode, "currency": "", "items": {"data": lines}})
    except ApiError as error:
        error.param = "line_" + (error.param or "items")
        raise
    data = params.get("subscription_data", {})
    if "trial_period_days" in data:
        trials.check_days(data["trial_period_days"], "subscription_data[trial_period_days]", least=1)
    if "customer" in params:
        item_rules.check_currency(scope, params["customer"], currency)


def _line_item(scope: Scope, item: Object, index: int) -> Object:
    param = f"line_items[{index}]"
    price, name = _price(scope, item, param)
    metered = price["recurring"] and price["recurring"]["usage_type"] == "metered"
    if metered and "quantity" in item:
        message = f"Quantity should not be specified where usage_type is `metered`. Remove quantity from `{param}`"
        raise invalid(message, f"{param}[quantity]")
    quantity = None if metered else item.get("quantity", 1)
    if quantity is not None and quantity < 1:
        raise invalid("This value must be greater than or equal to 1.", f"{param}[quantity]")
    total = pricing.amount_of(price, decimal.Decimal(quantity or 0))
    return {
        "id": scope.new_id("li_"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": name,
        "metadata": item.get("metadata", {}),
        "price": price,
        "quantity": quantity,
    }


def _price(scope: Scope, item: Object, param: str) -> tuple[Object, str]:
    """Return the price of a line and the name of what it sells."""
    if "price" in item:
        price = scope.get("price", item["price"], param=f"{param}[price]", in_url=False)
        if not price["active"]:
            raise invalid("The price specified is inactive. This field only accepts active prices.", f"{param}[price]")
        product = scope.find("product", price["product"])
        if product and not product["active"]:
            raise price_objects.not_available(price, f"{param}[price]")
        return price, product["name"] if product else price["id"]
    if "price_data" not in item:
        raise missing_param(f"{param}[price_data]")
    data = item["price_data"]
    if "product_data" not in data and "product" not in data:
        raise missing_param(f"{param}[price_data][product_data]")
    product = data.get("product") or scope.new_id("prod_")
    price = price_objects.price(scope, product, data, f"{param}[price_data]", active=False)
    return price, data.get("product_data", {}).get("name", product)


def _one_currency(items: list[Object]) -> str:
    currencies = sorted({item["currency"] for item in items})
    if len(currencies) > 1:
        raise invalid(
            "All prices on a Checkout session must have the same currency, or share currency options. One or more "
            f"prices is {currencies[1]} but the others are {currencies[0]}.",
            "line_items",
        )
    return currencies[0] if currencies else "usd"


def _session(scope: Scope, mode: str, expires_at: int | None) -> Object:
    now = scope.now()
    if expires_at is not None and not now + _HALF_HOUR <= expires_at <= now + _DAY:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            "expires_at",
        )
    identifier = scope.new_id("cs_live_" if scope.livemode else "cs_test_")
    # The fragment of a real URL holds some hundred characters that the page needs: no short column can store it.
    fragment = "".join(hashlib.sha256(f"{identifier}{part}".encode()).hexdigest() for part in range(5))
    session: dict[str, Any] = dict.fromkeys(_NULL_FIELDS)
    session.update(
        id=identifier,
        object="checkout.session",
        adaptive_pricing={"enabled": True},
        automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
        created=now,
        custom_fields=[],
        custom_text=dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        expires_at=expires_at or now + _DAY,
        invoice_creation=None,
        livemode=scope.livemode,
        mode=mode,
        payment_method_collection="if_required" if mode == "payment" else "always",
        payment_method_options={},
        payment_status="unpaid" if mode != "setup" else "no_payment_required",
        phone_number_collection={"enabled": False},
        shipping_options=[],
        status="open",
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        ui_mode="hosted_page",
        url=f"{scope.state.base_url}/c/pay/{identifier}#{fragment}",
    )
    return session


_NULL_FIELDS = (
    "after_expiration allow_promotion_codes billing_address_collection cancel_url client_reference_id client_secret "
    "collected_information consent consent_collection currency_conversion customer customer_account "
    "customer_creation customer_details customer_email discounts invoice locale origin_context payment_intent "
    "payment_link payment_method_configuration_details permissions recovered_from saved_payment_method_options "
    "setup_intent shipping_address_collection shipping_cost submit_type subscription success_url wallet_options"
).split()


def intent_of(scope: Scope, session: Object) -> Object:
    """Return the session's intent; like Stripe, make it when the customer first tries to pay."""
    found = scope.find("payment_intent", session["payment_intent"])
    if found:
        return found
    data = session["_payment_intent_data"]
    fields = {name: value for name, value in data.items() if name != "metadata"}
    intent = objects.payment_intent(
        scope,
        amount=session["amount_total"],
        currency=session["currency"],
        metadata=objects.merged_metadata({}, data.get("metadata")),
        customer=session["customer"],
        payment_method_types=session["payment_method_types"],
        **fields,
    )
    scope.add(intent)
    session["payment_intent"] = intent["id"]
    record(scope, "payment_intent.created", intent)
    return intent


def _complete_payment(scope: Scope, session: Object, kind: str) -> bool:
    """Charge the session's intent."""
    intent = intent_of(scope, session)
    saved = scope.find("payment_method", kind)
    if saved:
        saved_cards.check(saved, session["customer"])
    payments.attempt(scope, intent, saved or cards.checkout_method(scope, kind))
    return intent["status"] not in {"requires_payment_method", "requires_action"}


MODES["payment"] = _complete_payment


def complete(scope: Scope, session: Object, kind: str, outcome: str | None) -> None:
    """Let the customer finish the hosted page; a declined card leaves the session open."""
    require_open(session)
    checkout_totals.tax(session)
    free = outcome == "no_payment_required" and session["mode"] != "subscription"
    if free or (session["mode"] == "payment" and not session["amount_total"]):
        session["payment_status"] = "no_payment_required"
    elif not MODES[session["mode"]](scope, session, kind):
        return
    finish(scope, session)


def finish(scope: Scope, session: Object) -> None:
    """Mark a session complete once its payment has been made or begun."""
    intent = scope.find("payment_intent", session["payment_intent"])
    if intent:
        session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    email = session["customer_email"] or "customer@example.com"
    blank: Object = {"address": None, "name": "Jenny Rosen", "phone": None, "tax_exempt": "none", "tax_ids": []}
    session.update(status="complete", url=None, client_secret=None, customer_details={"email": email, **blank})
    record(scope, "checkout.session.completed", session)


def require_open(session: Object) -> None:
    """Refuse, in a test's own control, what a customer cannot do to a session that is not open."""
    if session["status"] != "open":
        raise ValueError(f"The Checkout Session {session['id']} is {session['status']}, not open")


def settle(scope: Scope, session: Object, *, succeeded: bool) -> None:
    """Let the bank debit of a completed session succeed or fail, as it does days later."""
    intent = scope.objects["payment_intent"][session["payment_intent"]]
    if intent["status"] != "processing":
        raise ValueError(f"The intent of {session['id']} is {intent['status']}, not processing")
    method = scope.objects["payment_method"][intent["payment_method"]]
    if succeeded:
        payments.succeed(scope, intent, method)
        session["payment_status"] = "paid"
        record(scope, "checkout.session.async_payment_succeeded", session)
    else:
        payments.fail(scope, intent, method)
        record(scope, "checkout.session.async_payment_failed", session)


def expire(scope: Scope, session: Object) -> None:
    """Expire an open session; an intent that a declined card left behind is canceled."""
    require_open(session)
    session.update(status="expired", url=None, client_secret=None)
    intent = scope.find("payment_intent", session["payment_intent"])
    if intent and intent["status"] in payments.CANCELABLE:
        payments.cancel(scope, intent, "automatic")
    record(scope, "checkout.session.expired", session)


def success_url(session: Object) -> str:
    """Return where the customer goes after paying, with the id filled in."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])
