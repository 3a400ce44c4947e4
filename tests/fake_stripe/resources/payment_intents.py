"""`/v1/payment_intents`."""

from __future__ import annotations

from tests.fake_stripe import cards, destinations, money, objects, payments, saved_cards
from tests.fake_stripe.errors import invalid, missing_param
from tests.fake_stripe.events import record
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object

#: Parameters that an intent shows as they were sent.
COPIED = (
    "capture_method",
    "customer",
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
    *destinations.TERMS,
)


@route("POST", "/v1/payment_intents")
def create(call: Call) -> Object:
    """Create an intent, and charge it at once with `confirm`."""
    params, scope = call.params, call.scope
    for name in ("amount", "currency"):
        if name not in params:
            raise missing_param(name)
    currency = params["currency"].lower()
    money.check_currency(currency)
    money.check_amount(params["amount"], currency)
    metadata = objects.merged_metadata({}, params.get("metadata"))
    _check_customer(call)
    destinations.check(scope, params, params["amount"])
    intent = objects.payment_intent(scope, amount=params["amount"], currency=currency, metadata=metadata)
    # Without a word about methods the Dashboard's settings count.
    intent["automatic_payment_methods"] = {"allow_redirects": "always", "enabled": True}
    _apply(intent, params)
    if params.get("confirm"):
        _check_return_url(intent, params)
    method = cards.take(scope, params["payment_method"]) if "payment_method" in params else None
    if method:
        saved_cards.check(method, intent["customer"])
        intent.update(status="requires_confirmation", payment_method=method["id"])
    scope.add(intent)
    record(scope, "payment_intent.created", intent)
    return _confirmed(call, intent) if params.get("confirm") else intent


@route("GET", "/v1/payment_intents")
def list_intents(call: Call) -> Object:
    """List intents, newest first."""
    wanted = {name: call.params[name] for name in ("customer",) if name in call.params}
    return paginate(call, call.scope.related("payment_intent", **wanted))


@route("GET", "/v1/payment_intents/{id}")
def retrieve(call: Call) -> Object:
    """Return an intent."""
    return _intent(call)


@route("POST", "/v1/payment_intents/{id}")
def update(call: Call) -> Object:
    """Change an intent that is not finished; metadata and description may always change."""
    intent, params = _intent(call), call.params
    changes = set(params) - {"metadata", "description", "expand"}
    if changes and intent["status"] in {"succeeded", "canceled", "processing"}:
        raise payments.unexpected_state(
            intent,
            f"This PaymentIntent's {sorted(changes)[0]} could not be updated because it has a status of "
            f"{intent['status']}.",
        )
    if "amount" in params:
        money.check_amount(params["amount"], intent["currency"])
        intent["amount"] = params["amount"]
    intent["metadata"] = objects.merged_metadata(intent["metadata"], params.get("metadata"))
    _check_customer(call)
    _apply(intent, params)
    if "payment_method" in params:
        method = cards.take(call.scope, params["payment_method"])
        saved_cards.check(method, intent["customer"])
        intent.update(payment_method=method["id"], status="requires_confirmation")
    return intent


@route("POST", "/v1/payment_intents/{id}/confirm")
def confirm(call: Call) -> Object:
    """Charge the payment method."""
    intent = _intent(call)
    if intent["status"] not in {"requires_payment_method", "requires_confirmation", "requires_action"}:
        raise payments.unexpected_state(
            intent,
            f"You cannot confirm this PaymentIntent because it has already {intent['status']} after being previously "
            "confirmed."
            if intent["status"] == "succeeded"
            else f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
        )
    _apply(intent, call.params)
    _check_return_url(intent, call.params)
    if "payment_method" in call.params:
        method = cards.take(call.scope, call.params["payment_method"])
        saved_cards.check(method, intent["customer"])
        intent["payment_method"] = method["id"]
    return _confirmed(call, intent)


@route("POST", "/v1/payment_intents/{id}/capture")
def capture(call: Call) -> Object:
    """Take the authorised amount or a part of it."""
    intent = _intent(call)
    amount = call.params.get("amount_to_capture")
    if amount is not None and amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", "amount_to_capture", "parameter_invalid_integer"
        )
    payments.capture(call.scope, intent, amount, call.params.get("application_fee_amount"))
    intent["metadata"] = objects.merged_metadata(intent["metadata"], call.params.get("metadata"))
    return intent


@route("POST", "/v1/payment_intents/{id}/cancel")
def cancel(call: Call) -> Object:
    """Give the intent up."""
    intent = _intent(call)
    payments.cancel(call.scope, intent, call.params.get("cancellation_reason"))
    return intent


def _intent(call: Call) -> Object:
    return call.scope.get("payment_intent", call.id(), param="intent")


def _apply(intent: Object, params: Object) -> None:
    intent.update({name: params[name] for name in COPIED if name in params})
    if "automatic_payment_methods" in params:
        intent["automatic_payment_methods"] = {"allow_redirects": "always", **params["automatic_payment_methods"]}
    elif "payment_method_types" in params or "allowed_payment_method_types" in params:
        types = params.get("payment_method_types") or params["allowed_payment_method_types"]
        intent.update(automatic_payment_methods=None, payment_method_types=types)


def _check_customer(call: Call) -> None:
    customer = call.params.get("customer")
    if customer and call.scope.find("customer", customer) is None:
        call.scope.get("customer", customer, param="customer", in_url=False)


def _check_return_url(intent: Object, params: Object) -> None:
    """Refuse a confirmation that may redirect the customer but does not say where to come back to."""
    automatic = intent["automatic_payment_methods"] or {}
    if automatic.get("enabled") and automatic.get("allow_redirects") != "never" and not params.get("return_url"):
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
            "Payment Intents."
        )


def _confirmed(call: Call, intent: Object) -> Object:
    method = call.scope.find("payment_method", intent["payment_method"])
    if method is None:
        raise payments.unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
        )
    outcome = cards.behaviour_of(method).outcome
    strict = call.params.get("off_session") or call.params.get("error_on_requires_action")
    if outcome == "requires_action" and strict:
        payments.fail(call.scope, intent, method, _AUTHENTICATION_REQUIRED)
        raise payments.declined(intent)
    payments.attempt(call.scope, intent, method, return_url=call.params.get("return_url"))
    if outcome == "declined":
        raise payments.declined(intent)
    return intent


_AUTHENTICATION_REQUIRED = {
    "code": "authentication_required",
    "decline_code": "authentication_required",
    "doc_url": "https://docs.stripe.com/error-codes/authentication-required",
    "message": "Your card was declined. This transaction requires authentication.",
    "type": "card_error",
}
