"""Customers, their payment methods, and the SetupIntents that bring new ones. Call with the state's lock held."""

from __future__ import annotations

from collections.abc import Callable

from tests.fake_stripe import cards, objects, payments, shapes
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.state import Object, Scope

#: What else happens when a customer is deleted: (scope, customer).
ON_DELETE: list[Callable[[Scope, Object], None]] = []
#: What else happens when a SetupIntent has succeeded: (scope, intent).
ON_SETUP: list[Callable[[Scope, Object], None]] = []

_COPIED = ("name", "description", "phone", "address", "shipping", "preferred_locales", "tax_exempt", "balance")


def create(scope: Scope, params: Object) -> Object:
    """Create a customer from an API request."""
    _check(params)
    customer: Object = {
        "id": scope.new_id("cus_"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": scope.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": None,
        "invoice_prefix": scope.new_id("")[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": scope.livemode,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _apply(scope, customer, params)
    scope.add(customer)
    record(scope, "customer.created", customer)
    if "payment_method" in params:
        attach(scope, cards.take(scope, params["payment_method"]), customer)
    _set_default(scope, customer, params)
    return customer


def update(scope: Scope, customer: Object, params: Object) -> None:
    """Change a customer."""
    _check(params)
    with changing(scope, customer, "customer.updated"):
        _apply(scope, customer, params)
        _set_default(scope, customer, params)


def _check(params: Object) -> None:
    email = params.get("email")
    if email and "@" not in email:
        raise invalid(f"Invalid email address: {email}", "email", "email_invalid")


def _apply(scope: Scope, customer: Object, params: Object) -> None:
    for name in (*_COPIED, "email"):
        if name in params:
            customer[name] = params[name] if params[name] != "" else None
    customer["metadata"] = objects.merged_metadata(customer["metadata"], params.get("metadata"))


def _set_default(scope: Scope, customer: Object, params: Object) -> None:
    settings = params.get("invoice_settings", {})
    if "default_payment_method" not in settings:
        return
    given = settings["default_payment_method"]
    if given:
        method = cards.take(scope, given)
        if method["customer"] != customer["id"]:
            raise not_attached(method, "invoice_settings[default_payment_method]")
        given = method["id"]
    customer["invoice_settings"]["default_payment_method"] = given or None


def not_attached(method: Object, param: str) -> ApiError:
    """Return the refusal of a payment method that is not the customer's."""
    return ApiError(
        400,
        f"The customer does not have a payment method with the ID {method['id']}. The payment method must be attached "
        "to the customer.",
        param=param,
        code="resource_missing",
    )


def delete(scope: Scope, customer: Object) -> Object:
    """Delete a customer for good, with what is billed to them; what is left says so."""
    for listener in ON_DELETE:
        listener(scope, customer)
    for method in scope.related("payment_method", customer=customer["id"]):
        method["customer"] = None
    del scope.objects["customer"][customer["id"]]
    left: Object = {"id": customer["id"], "object": "customer", "deleted": True}
    scope.objects.setdefault("deleted_customer", {})[customer["id"]] = left
    record(scope, "customer.deleted", customer)
    return left


def attach(scope: Scope, method: Object, customer: Object) -> None:
    """Save a payment method on a customer; some cards refuse that."""
    behaviour = cards.behaviour_of(method)
    if not behaviour.attaches:
        reason = {"decline_code": behaviour.decline_code} if behaviour.decline_code else {}
        raise ApiError(402, behaviour.message, code=behaviour.code, type="card_error", **reason)
    if method["customer"] == customer["id"]:
        return
    if method["customer"]:
        raise invalid(
            "The payment method you provided has already been attached to a customer.", None, "payment_method_attached"
        )
    method["customer"] = customer["id"]
    record(scope, "payment_method.attached", method)


def detach(scope: Scope, method: Object) -> None:
    """Take a payment method from its customer, for good."""
    if not method["customer"]:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = scope.objects["customer"][method["customer"]]
    before = {"customer": method["customer"]}
    method.update(customer=None, _detached=True)
    if customer["invoice_settings"]["default_payment_method"] == method["id"]:
        with changing(scope, customer, "customer.updated"):
            customer["invoice_settings"]["default_payment_method"] = None
    for subscription in scope.related("subscription", default_payment_method=method["id"]):
        with changing(scope, subscription, "customer.subscription.updated"):
            subscription["default_payment_method"] = None
    record(scope, "payment_method.detached", method, previous=before)


def setup_intent(scope: Scope, params: Object) -> Object:
    """Create a SetupIntent, which waits for a payment method."""
    identifier = scope.new_id("seti_")
    intent: Object = {
        "id": identifier,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": params.get("automatic_payment_methods"),
        "cancellation_reason": None,
        "client_secret": f"{identifier}_secret_{scope.new_id('')[:25]}",
        "created": scope.now(),
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": scope.livemode,
        "mandate": None,
        "metadata": objects.merged_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types", ["card"]),
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    if intent["customer"]:
        scope.get("customer", intent["customer"], param="customer", in_url=False)
    if "payment_method" in params:
        intent.update(payment_method=cards.take(scope, params["payment_method"])["id"], status="requires_confirmation")
    record(scope, "setup_intent.created", scope.add(intent))
    return intent


def confirm_setup(scope: Scope, intent: Object, method: Object) -> None:
    """Save a payment method: at once, after an authentication, or not at all."""
    if intent["status"] in {"succeeded", "canceled"}:
        raise ApiError(
            400,
            f"You cannot confirm this SetupIntent because it has a status of {intent['status']}.",
            code="setup_intent_unexpected_state",
            setup_intent=shapes.public(intent),
        )
    behaviour = cards.behaviour_of(method)
    intent.update(payment_method=method["id"], last_setup_error=None)
    if behaviour.outcome == "requires_action":
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        intent.update(status="requires_action", next_action=action)
        record(scope, "setup_intent.requires_action", intent)
    elif not behaviour.attaches:
        _setup_failed(scope, intent, method, behaviour.code, behaviour.message, "card_error")
        error = dict(intent["last_setup_error"])
        message, code, kind = error.pop("message"), error.pop("code"), error.pop("type")
        raise ApiError(402, message, code=code, type=kind, setup_intent=shapes.public(intent), **error)
    else:
        _setup_succeeded(scope, intent, method)


def authenticate_setup(scope: Scope, intent: Object, *, succeeds: bool) -> None:
    """Let the customer pass or fail the authentication that a SetupIntent waits for."""
    method = scope.objects["payment_method"][intent["payment_method"]]
    if succeeds:
        cards.authenticated(method)
        _setup_succeeded(scope, intent, method)
    else:
        message = "The provided PaymentMethod has failed authentication."
        _setup_failed(scope, intent, method, "setup_intent_authentication_failure", message, "invalid_request_error")


def _setup_succeeded(scope: Scope, intent: Object, method: Object) -> None:
    intent.update(status="succeeded", next_action=None)
    if intent["customer"]:
        attach(scope, method, scope.objects["customer"][intent["customer"]])
    record(scope, "setup_intent.succeeded", intent)
    for listener in ON_SETUP:
        listener(scope, intent)


def _setup_failed(scope: Scope, intent: Object, method: Object, code: str, message: str, kind: str) -> None:
    decline_code = cards.behaviour_of(method).decline_code
    intent.update(
        status="requires_payment_method",
        next_action=None,
        payment_method=None,
        last_setup_error={
            "code": code,
            "message": message,
            "payment_method": shapes.public(method),
            "type": kind,
            **({"decline_code": decline_code} if decline_code and kind == "card_error" else {}),
        },
    )
    record(scope, "setup_intent.setup_failed", intent)


def save_what_paid(scope: Scope, intent: Object, status: str) -> None:
    """Save the payment method of an intent that asked for it."""
    if status not in {"succeeded", "authorized"} or not intent["setup_future_usage"] or not intent["customer"]:
        return
    customer = scope.find("customer", intent["customer"])
    method = scope.find("payment_method", intent["payment_method"])
    if customer and method and not method["customer"]:
        attach(scope, method, customer)


payments.LISTENERS.append(save_what_paid)
