"""`/v1/customers`, `/v1/payment_methods`, `/v1/setup_intents` and `/v1/billing_portal/sessions`."""

from __future__ import annotations

from tests.fake_stripe import cards, customers
from tests.fake_stripe.errors import ApiError, missing_param
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/customers")
def create(call: Call) -> Object:
    """Create a customer."""
    return customers.create(call.scope, call.params)


@route("GET", "/v1/customers")
def list_customers(call: Call) -> Object:
    """List customers, newest first."""
    wanted = {name: call.params[name] for name in ("email",) if name in call.params}
    return paginate(call, call.scope.related("customer", **wanted))


@route("GET", "/v1/customers/{id}")
def retrieve(call: Call) -> Object:
    """Return a customer, or what is left of a deleted one."""
    return call.scope.find("deleted_customer", call.id()) or call.scope.get("customer", call.id())


@route("POST", "/v1/customers/{id}")
def update(call: Call) -> Object:
    """Change a customer."""
    customer = call.scope.get("customer", call.id())
    customers.update(call.scope, customer, call.params)
    return customer


@route("DELETE", "/v1/customers/{id}")
def delete(call: Call) -> Object:
    """Delete a customer."""
    return customers.delete(call.scope, call.scope.get("customer", call.id()))


@route("GET", "/v1/customers/{id}/payment_methods")
def list_payment_methods_of(call: Call) -> Object:
    """List a customer's payment methods, newest first."""
    return _methods(call, call.id())


@route("GET", "/v1/payment_methods")
def list_payment_methods(call: Call) -> Object:
    """List a customer's payment methods, newest first."""
    if "customer" not in call.params:
        return paginate(call, [])
    return _methods(call, call.params["customer"])


def _methods(call: Call, customer: str) -> Object:
    call.scope.get("customer", customer, param="customer", in_url=False)
    wanted = {name: call.params[name] for name in ("type",) if name in call.params}
    return paginate(call, call.scope.related("payment_method", customer=customer, **wanted))


@route("POST", "/v1/payment_methods/{id}/attach")
def attach(call: Call) -> Object:
    """Save a payment method on a customer."""
    if "customer" not in call.params:
        raise missing_param("customer")
    customer = call.scope.get("customer", call.params["customer"], param="customer", in_url=False)
    method = _method(call)
    customers.attach(call.scope, method, customer)
    return method


@route("POST", "/v1/payment_methods/{id}/detach")
def detach(call: Call) -> Object:
    """Take a payment method from its customer."""
    method = _method(call)
    customers.detach(call.scope, method)
    return method


def _method(call: Call) -> Object:
    if call.id() in cards.METHODS:
        return cards.take(call.scope, call.id())
    found = call.scope.find("payment_method", call.id())
    if found is None:
        raise ApiError(404, f"No such PaymentMethod: '{call.id()}'", code="resource_missing", param="payment_method")
    return found


@route("POST", "/v1/setup_intents")
def create_setup_intent(call: Call) -> Object:
    """Create a SetupIntent, and confirm it at once with `confirm`."""
    intent = customers.setup_intent(call.scope, call.params)
    if call.params.get("confirm"):
        customers.confirm_setup(call.scope, intent, call.scope.objects["payment_method"][intent["payment_method"]])
    return intent


@route("GET", "/v1/setup_intents")
def list_setup_intents(call: Call) -> Object:
    """List SetupIntents, newest first."""
    wanted = {name: call.params[name] for name in ("customer",) if name in call.params}
    return paginate(call, call.scope.related("setup_intent", **wanted))


@route("GET", "/v1/setup_intents/{id}")
def retrieve_setup_intent(call: Call) -> Object:
    """Return a SetupIntent."""
    return call.scope.get("setup_intent", call.id(), param="intent")


@route("POST", "/v1/setup_intents/{id}/confirm")
def confirm_setup_intent(call: Call) -> Object:
    """Save the payment method."""
    intent = call.scope.get("setup_intent", call.id(), param="intent")
    given = call.params.get("payment_method") or intent["payment_method"]
    if not given:
        raise missing_param("payment_method")
    customers.confirm_setup(call.scope, intent, cards.take(call.scope, given))
    return intent


@route("POST", "/v1/billing_portal/sessions")
def create_portal_session(call: Call) -> Object:
    """Make a page where a customer manages what they pay."""
    if "customer" not in call.params:
        raise missing_param("customer")
    call.scope.get("customer", call.params["customer"], param="customer", in_url=False)
    identifier = call.scope.new_id("bps_")
    return call.scope.add(
        {
            "id": identifier,
            "object": "billing_portal.session",
            "configuration": call.params.get("configuration") or "bpc_fake",
            "created": call.scope.now(),
            "customer": call.params["customer"],
            "customer_account": None,
            "flow": None,
            "livemode": call.scope.livemode,
            "locale": call.params.get("locale"),
            "on_behalf_of": None,
            "return_url": call.params.get("return_url"),
            "url": f"{call.state.base_url}/p/session/{identifier}",
        }
    )
