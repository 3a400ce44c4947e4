"""What happens to intents and charges, whoever causes it: the API, a customer on the hosted page, or a test.

Every function changes the store and records the events that Stripe sends. Call with the state's lock held.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fake_stripe import balance, cards, destinations, objects, releasing, shapes
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope

#: What else happens when an attempt to pay has come to something: (scope, intent, "succeeded" | "authorized" | "failed"
#: | "requires_action"). Invoices listen here.
LISTENERS: list[Callable[[Scope, Object, str], None]] = []


def _notify(scope: Scope, intent: Object, outcome: str) -> None:
    for listener in LISTENERS:
        listener(scope, intent, outcome)


def attempt(scope: Scope, intent: Object, method: Object, *, return_url: str | None = None) -> str:
    """Charge the payment method and return what it did; the intent's state follows."""
    behaviour = cards.behaviour_of(method)
    intent["payment_method"] = method["id"]
    intent["last_payment_error"] = None
    if behaviour.outcome == "requires_action":
        require_action(scope, intent, return_url)
    elif behaviour.outcome == "declined":
        fail(scope, intent, method)
    elif behaviour.outcome == "processing":
        process(scope, intent, method)
    else:
        succeed(scope, intent, method)
    return behaviour.outcome


def require_action(scope: Scope, intent: Object, return_url: str | None) -> None:
    """Let the intent wait for the customer's authentication."""
    intent["status"] = "requires_action"
    if return_url:
        url = f"{scope.state.base_url}/3d_secure/{intent['id']}"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": url},
        }
    else:
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    record(scope, "payment_intent.requires_action", intent)
    _notify(scope, intent, "requires_action")


def process(scope: Scope, intent: Object, method: Object) -> None:
    """Start a payment whose result takes days, such as a bank debit."""
    charge = scope.add(objects.charge(scope, intent, method, status="pending", captured=True))
    intent.update(status="processing", latest_charge=charge["id"], next_action=None)
    record(scope, "payment_intent.processing", intent)
    record(scope, "charge.pending", charge)


def succeed(scope: Scope, intent: Object, method: Object) -> None:
    """Charge, or only authorise where the intent's capture is manual."""
    pending = scope.find("charge", intent["latest_charge"])
    manual = intent["capture_method"] == "manual"
    if pending is not None and pending["status"] == "pending":
        charge = pending
        booked = balance.book(scope, charge["id"], "charge", charge["amount"], charge["currency"])
        charge.update(status="succeeded", paid=True, balance_transaction=booked)
    else:
        charge = scope.add(objects.charge(scope, intent, method, status="succeeded", captured=not manual))
    if not manual:
        destinations.pass_on(scope, charge)
    intent.update(latest_charge=charge["id"], next_action=None, last_payment_error=None)
    if manual:
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        record(scope, "charge.succeeded", charge)
        record(scope, "payment_intent.amount_capturable_updated", intent)
        _notify(scope, intent, "authorized")
    else:
        intent.update(status="succeeded", amount_received=intent["amount"])
        record(scope, "charge.succeeded", charge)
        record(scope, "payment_intent.succeeded", intent)
        _notify(scope, intent, "succeeded")


def fail(scope: Scope, intent: Object, method: Object, error: Object | None = None) -> None:
    """Let the charge fail; the intent waits for another payment method and says why."""
    charge = scope.find("charge", intent["latest_charge"])
    if charge is not None and charge["status"] == "pending":
        charge.update(status="failed", paid=False, failure_code="payment_method_provider_decline")
    else:
        charge = scope.add(objects.charge(scope, intent, method, status="failed", captured=False))
    behaviour = cards.behaviour_of(method)
    reason = error or {
        "advice_code": "try_again_later",
        "charge": charge["id"],
        "code": behaviour.code,
        "doc_url": "https://docs.stripe.com/error-codes/" + behaviour.code.replace("_", "-"),
        "message": behaviour.message,
        "type": "card_error",
        **({"decline_code": behaviour.decline_code} if behaviour.decline_code else {}),
    }
    intent.update(
        status="requires_payment_method",
        latest_charge=charge["id"],
        next_action=None,
        payment_method=None,
        last_payment_error={**reason, "payment_method": shapes.public(method)},
    )
    record(scope, "charge.failed", charge)
    record(scope, "payment_intent.payment_failed", intent)
    _notify(scope, intent, "failed")


def authentication_failed(scope: Scope, intent: Object) -> None:
    """Let the customer fail the authentication; no charge was tried."""
    method = scope.find("payment_method", intent["payment_method"])
    intent.update(
        status="requires_payment_method",
        next_action=None,
        payment_method=None,
        last_payment_error={
            "code": "payment_intent_authentication_failure",
            "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data or "
            "a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
            "type": "invalid_request_error",
            **({"payment_method": shapes.public(method)} if method else {}),
        },
    )
    record(scope, "payment_intent.payment_failed", intent)
    _notify(scope, intent, "failed")


def capture(scope: Scope, intent: Object, amount: int | None, fee: int | None = None) -> None:
    """Take an authorised amount, and another fee of it than was agreed on; what is not captured is released at once."""
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
        )
    taken = intent["amount_capturable"] if amount is None else amount
    if taken > intent["amount_capturable"]:
        raise ApiError(
            400,
            f"The amount_to_capture ({taken}) is greater than the remaining amount capturable "
            f"({intent['amount_capturable']}) on this PaymentIntent.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = scope.objects["charge"][intent["latest_charge"]]
    if fee is not None:
        destinations.check_fee(scope, fee, taken, (intent["transfer_data"] or {}).get("destination"))
        intent["application_fee_amount"] = charge["application_fee_amount"] = fee
    charge.update(
        captured=True,
        amount_captured=taken,
        balance_transaction=balance.book(scope, charge["id"], "charge", taken, charge["currency"]),
    )
    releasing.release(scope, charge, charge["amount"] - taken)
    destinations.pass_on(scope, charge)
    intent.update(status="succeeded", amount_capturable=0, amount_received=taken)
    record(scope, "charge.captured", charge)
    record(scope, "payment_intent.succeeded", intent)
    for session in scope.related("checkout.session", payment_intent=intent["id"]):
        session["payment_status"] = "paid"


CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")


def cancel(scope: Scope, intent: Object, reason: str | None, *, expired: bool = False) -> None:
    """Cancel an intent; an authorisation is released, which Stripe shows as a refunded charge."""
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
        )
    charge = scope.find("charge", intent["latest_charge"])
    if intent["status"] == "requires_capture" and charge is not None:
        why = "expired_uncaptured_charge" if expired else None
        releasing.release(scope, charge, charge["amount"], reason=why, expired=expired)
    intent.update(
        status="canceled",
        amount_capturable=0,
        canceled_at=scope.now(),
        cancellation_reason=reason,
        next_action=None,
    )
    record(scope, "payment_intent.canceled", intent)


def unexpected_state(intent: Object, message: str) -> ApiError:
    """Return the refusal of what the intent's status does not allow; the error carries the intent."""
    return ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=shapes.public(intent))


def declined(intent: Object) -> ApiError:
    """Return the 402 of a declined charge, from the intent's last payment error."""
    reason = dict(intent["last_payment_error"])
    return ApiError(
        402,
        reason.pop("message"),
        code=reason.pop("code"),
        type=reason.pop("type"),
        payment_intent=shapes.public(intent),
        **reason,
    )
