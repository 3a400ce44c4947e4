"""What happens to invoices and, through them, to the subscriptions they are of. Call with the state's lock held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fake_stripe import cards, discounting, invoice_objects, objects, payments, pending_items, shapes
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY, HOUR
from tests.fake_stripe.state import Object, Scope

#: Days after a failure until the next attempt; after the last one `State.after_retries` happens.
RETRY_AFTER = (3, 5, 7)
#: What else a payment of an invoice with a pending update does: (scope, subscription, invoice).
ON_PAID: list[Callable[[Scope, Object, Object], None]] = []
#: What else happens when an invoice is voided: (scope, subscription, invoice).
ON_VOID: list[Callable[[Scope, Object, Object], None]] = []
#: What is done to a draft just before it gets its number: (scope, invoice).
BEFORE_FINALIZE: list[Callable[[Scope, Object], None]] = []


def subscription_of(scope: Scope, invoice: Object) -> Object:
    """Return the subscription that an invoice is of; one that is nothing for an invoice that the merchant has made."""
    return scope.find("subscription", invoice["_subscription"]) or pending_items.no_subscription(invoice["customer"])


def change(scope: Scope, subscription: Object, **fields: Any) -> None:
    """Change a subscription, with the event of it unless the one of its creation is still to come."""
    if not subscription["_announced"]:
        subscription.update(fields)
        return
    with changing(scope, subscription, "customer.subscription.updated"):
        subscription.update(fields)


def method_of(scope: Scope, subscription: Object) -> Object | None:
    """Return the payment method that a subscription's invoices are charged to."""
    customer = scope.objects["customer"][subscription["customer"]]
    identifier = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    return scope.find("payment_method", identifier)


def draft(scope: Scope, subscription: Object, lines: list[Object], reason: str) -> Object:
    """Return an invoice that is counted, and not kept."""
    customer = scope.objects["customer"][subscription["customer"]]
    invoice = invoice_objects.invoice(scope, customer, subscription, lines, reason)
    _count(scope, subscription, customer, invoice, lines, discounting.still_valid(scope, subscription, scope.now()))
    return invoice


def recount(scope: Scope, invoice: Object) -> None:
    """Count a draft again whose lines have changed."""
    customer = scope.objects["customer"][invoice["customer"]]
    used = [scope.objects["discount"][identifier] for identifier in invoice["discounts"]]
    _count(scope, subscription_of(scope, invoice), customer, invoice, invoice["lines"]["data"], used)


def _count(
    scope: Scope, subscription: Object, customer: Object, invoice: Object, lines: list[Object], used: list[Object]
) -> None:
    subtotal = sum(line["amount"] for line in lines)
    taken = discounting.amounts(scope, sum(line["amount"] for line in lines if line["discountable"]), used)
    discounting.note_on_lines(lines, used, taken)
    net = subtotal - sum(taken)
    tax = round(net * scope.state.tax_percent / 100) if subscription["automatic_tax"]["enabled"] and net > 0 else 0
    total = net + tax
    balance = customer["balance"]
    due = max(0, total + min(0, balance)) if total > 0 else 0
    invoice.update(
        amount_due=due,
        amount_remaining=due,
        discounts=[discount["id"] for discount in used],
        starting_balance=balance,
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=total,
        total_discount_amounts=[
            {"amount": off, "discount": discount["id"]} for off, discount in zip(taken, used, strict=True)
        ],
        total_excluding_tax=net,
        total_taxes=[_tax(tax, net)] if tax else [],
    )


def _tax(amount: int, taxable: int) -> Object:
    return {
        "amount": amount,
        "tax_behavior": "exclusive",
        "tax_rate_details": None,
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def create(
    scope: Scope, subscription: Object, lines: list[Object], reason: str, *, period: tuple[int, int] | None = None
) -> Object:
    """Keep a draft; what was pending is on it from now on. `period` is the one that is over, now unless given."""
    invoice = scope.add(draft(scope, subscription, lines, reason))
    pending_items.invoiced(scope, invoice, lines)
    if period:
        invoice.update(period_start=period[0], period_end=period[1])
    for discount in (scope.objects["discount"][identifier] for identifier in invoice["discounts"]):
        discount["invoice"] = discount["invoice"] or invoice["id"]
    discounting.drop_used(scope, subscription)
    subscription["latest_invoice"] = invoice["id"]
    record(scope, "invoice.created", invoice)
    return invoice


def finalize(scope: Scope, invoice: Object) -> None:
    """Give a draft its number and its payment; one without anything to pay is paid."""
    if invoice["status"] != "draft":
        raise ApiError(400, "This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    for listener in BEFORE_FINALIZE:
        listener(scope, invoice)
    customer = scope.objects["customer"][invoice["customer"]]
    now = scope.now()
    invoice.update(
        status="open",
        automatically_finalizes_at=None,
        effective_at=now,
        hosted_invoice_url=f"{scope.state.base_url}/i/{invoice['id']}",
        invoice_pdf=f"{scope.state.base_url}/i/{invoice['id']}/pdf",
        number=f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}",
    )
    invoice["status_transitions"]["finalized_at"] = now
    if invoice["_days_until_due"] is not None:
        invoice["due_date"] = now + invoice["_days_until_due"] * DAY
    with changing(scope, customer, "customer.updated"):
        customer["next_invoice_sequence"] += 1
        # A credit is what the customer's balance pays, and a negative invoice adds to it.
        customer["balance"] += invoice["total"] - invoice["amount_due"]
    invoice["ending_balance"] = customer["balance"]
    if invoice["amount_due"]:
        _make_intent(scope, invoice)
    record(scope, "invoice.finalized", invoice)
    if not invoice["amount_due"]:
        paid(scope, invoice)


def _make_intent(scope: Scope, invoice: Object) -> None:
    charged = invoice["collection_method"] == "charge_automatically"
    method = method_of(scope, subscription_of(scope, invoice)) if charged else None
    created = "Subscription creation" if invoice["billing_reason"] == "subscription_create" else "Subscription update"
    intent = objects.payment_intent(
        scope,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=created,
        setup_future_usage="off_session" if charged else None,
        _invoice=invoice["id"],
    )
    if method:
        intent.update(status="requires_confirmation", payment_method=method["id"])
    scope.add(intent)
    invoice["_intent"] = intent["id"]
    record(scope, "payment_intent.created", intent)


def begin(scope: Scope, invoice: Object, *, charge: bool = True) -> None:
    """Finalize and charge an invoice as a part of the request that made it; one that is sent is a draft at first."""
    if is_left_uncollected(scope, invoice):
        return
    if invoice["collection_method"] == "send_invoice":
        hold_draft(scope, invoice)
        return
    finalize(scope, invoice)
    if invoice["status"] == "open" and charge:
        collect(scope, invoice)


def is_left_uncollected(scope: Scope, invoice: Object) -> bool:
    """Do with a new invoice what a pause of its subscription's collection says, and return whether that is all.

    So it is with all that are made during a pause, those of a change included
    (https://docs.stripe.com/billing/subscriptions/pause-payment).
    """
    pause = subscription_of(scope, invoice)["pause_collection"]
    if not pause:
        return False
    if pause["behavior"] == "keep_as_draft":
        invoice["auto_advance"] = False
    elif pause["behavior"] == "mark_uncollectible":
        mark_uncollectible(scope, invoice)
    else:
        finalize(scope, invoice)
        if invoice["status"] == "open":
            void(scope, invoice)
    return True


def collect(scope: Scope, invoice: Object, method: Object | None = None) -> str:
    """Charge an open invoice; return "succeeded", "failed" or "requires_action"."""
    method = method or method_of(scope, subscription_of(scope, invoice))
    intent = scope.objects["payment_intent"][invoice["_intent"]]
    if method is None:
        failed(scope, invoice)
        return "failed"
    outcome = payments.attempt(scope, intent, method)
    return {"succeeds": "succeeded", "declined": "failed"}.get(outcome, outcome)


def _intent_changed(scope: Scope, intent: Object, outcome: str) -> None:
    """Let an invoice follow its payment."""
    invoice = scope.find("invoice", intent.get("_invoice"))
    if invoice is None or invoice["status"] not in {"open", "uncollectible"}:
        return
    if outcome == "succeeded":
        _save_method(scope, intent, subscription_of(scope, invoice))
        paid(scope, invoice)
    elif outcome == "requires_action":
        record(scope, "invoice.payment_action_required", invoice)
        failed(scope, invoice)
    else:
        failed(scope, invoice)


payments.LISTENERS.append(_intent_changed)


def _save_method(scope: Scope, intent: Object, subscription: Object) -> None:
    settings = subscription["payment_settings"]["save_default_payment_method"]
    if settings == "on_subscription" and subscription["default_payment_method"] != intent["payment_method"]:
        change(scope, subscription, default_payment_method=intent["payment_method"])


def paid(scope: Scope, invoice: Object, *, out_of_band: bool = False) -> None:
    """Mark an invoice paid; its subscription becomes active, or is again."""
    charged = bool(invoice["amount_due"]) and not out_of_band
    invoice.update(
        status="paid",
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempted=True,
        attempt_count=invoice["attempt_count"] + charged,
        _out_of_band=out_of_band,
        auto_advance=False,
        next_payment_attempt=None,
    )
    invoice["status_transitions"]["paid_at"] = scope.now()
    if not charged:
        _cancel_intent(scope, invoice, "automatic")
    record(scope, "invoice.paid", invoice)
    record(scope, "invoice.payment_succeeded", invoice)
    if charged and scope.state.generation == "current":
        record(scope, "invoice_payment.paid", invoice_objects.payment(scope, invoice))
    subscription = subscription_of(scope, invoice)
    _no_longer_delinquent(scope, invoice)
    for listener in ON_PAID:
        listener(scope, subscription, invoice)
    if subscription["status"] == "incomplete":
        change(scope, subscription, status="active")
    _recover(scope, invoice)


def _no_longer_delinquent(scope: Scope, invoice: Object) -> None:
    customer = scope.find("customer", invoice["customer"])
    if customer and customer["delinquent"]:
        with changing(scope, customer, "customer.updated"):
            customer["delinquent"] = False


def _recover(scope: Scope, invoice: Object) -> None:
    """Let a subscription go on whose latest invoice is no longer to be paid."""
    subscription = subscription_of(scope, invoice)
    if subscription["latest_invoice"] == invoice["id"] and subscription["status"] in {"past_due", "unpaid"}:
        change(scope, subscription, status="active")


def _cancel_intent(scope: Scope, invoice: Object, reason: str) -> None:
    intent = scope.find("payment_intent", invoice["_intent"])
    if intent and intent["status"] in payments.CANCELABLE:
        payments.cancel(scope, intent, reason)


def failed(scope: Scope, invoice: Object) -> None:
    """Note a failed attempt; a renewal is tried again some days later, until Stripe gives up."""
    subscription = subscription_of(scope, invoice)
    first = invoice["billing_reason"] == "subscription_create" and not invoice.get("_as_renewal")
    sent = invoice["collection_method"] == "send_invoice"
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1, next_payment_attempt=None)
    # The first payment, that of a change that waits for it, and what the customer pays by hand are not tried again.
    once = first or sent or invoice["_pending_update"]
    if not once and invoice["_retries"] < len(RETRY_AFTER):
        invoice["next_payment_attempt"] = scope.now() + RETRY_AFTER[invoice["_retries"]] * DAY
        invoice["_retries"] += 1
    record(scope, "invoice.payment_failed", invoice)
    if once:
        return
    customer = scope.objects["customer"][invoice["customer"]]
    with changing(scope, customer, "customer.updated"):
        customer["delinquent"] = True
    # The status follows the latest invoice alone.
    is_latest = subscription["latest_invoice"] == invoice["id"]
    if is_latest and subscription["status"] in {"active", "trialing"}:
        change(scope, subscription, status="past_due")
    if invoice["next_payment_attempt"] is None and subscription["status"] == "past_due":
        give_up(scope, subscription)


#: How a subscription ends; set by the file that ends them.
CANCEL: list[Callable[..., None]] = []


def give_up(scope: Scope, subscription: Object) -> None:
    """Do what the account has set for subscriptions that are not paid."""
    if scope.state.after_retries == "unpaid":
        change(scope, subscription, status="unpaid")
    elif scope.state.after_retries == "canceled":
        for cancel in CANCEL:
            cancel(scope, subscription, reason="payment_failed")


def void(scope: Scope, invoice: Object) -> None:
    """Take an invoice back; its payment is canceled."""
    if invoice["status"] not in {"open", "uncollectible"}:
        raise ApiError(400, f"You can only pass in open invoices. This invoice isn't open: {invoice['status']}.")
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = scope.now()
    _cancel_intent(scope, invoice, "void_invoice")
    record(scope, "invoice.voided", invoice)
    for listener in ON_VOID:
        listener(scope, subscription_of(scope, invoice), invoice)
    _recover(scope, invoice)


def mark_uncollectible(scope: Scope, invoice: Object) -> None:
    """Write an invoice off; it can still be paid."""
    if invoice["status"] not in {"draft", "open"}:
        raise ApiError(400, f"This invoice can't be marked uncollectible: it is {invoice['status']}.")
    if invoice["status"] == "draft":
        finalize(scope, invoice)
    invoice.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["marked_uncollectible_at"] = scope.now()
    record(scope, "invoice.marked_uncollectible", invoice)
    _no_longer_delinquent(scope, invoice)
    _recover(scope, invoice)


def pay(scope: Scope, invoice: Object, params: Object) -> None:
    """Pay an invoice on request, with a method given or the default one; raise what the card says."""
    if invoice["status"] == "draft":
        finalize(scope, invoice)
    if invoice["status"] not in {"open", "uncollectible"}:
        raise ApiError(400, f"Invoice is already {invoice['status']}", code="invoice_already_paid")
    if params.get("paid_out_of_band"):
        paid(scope, invoice, out_of_band=True)
        return
    intent = scope.find("payment_intent", invoice["_intent"])
    if intent and intent["status"] == "processing":
        raise payments.unexpected_state(
            intent, "This invoice cannot be paid now: its PaymentIntent has a status of processing."
        )
    method = cards.take(scope, params["payment_method"]) if "payment_method" in params else None
    if method and method["customer"] not in {None, invoice["customer"]}:
        raise ApiError(
            400, "The payment method does not belong to the customer of this invoice.", param="payment_method"
        )
    method = method or method_of(scope, subscription_of(scope, invoice))
    if method is None:
        raise no_method()
    collect(scope, invoice, method)
    intent = scope.objects["payment_intent"][invoice["_intent"]]
    if intent["status"] == "requires_action":
        raise requires_action(intent)
    if intent["status"] == "requires_payment_method":
        raise payments.declined(intent)


def no_method() -> ApiError:
    """Return the refusal of a charge that nothing could pay."""
    return ApiError(
        400,
        "This customer has no attached payment source or default payment method. Please consider adding a default "
        "payment method.",
        code="resource_missing",
    )


def requires_action(intent: Object | None = None) -> ApiError:
    """Return the 402 for a payment that the customer must authenticate."""
    extra = {"payment_intent": shapes.public(intent)} if intent else {}
    asked = "subscription" if intent is None else "invoice"
    return ApiError(
        402,
        "Payment for this subscription requires additional user action before it can be completed successfully.",
        code=f"{asked}_payment_intent_requires_action",
        type="card_error",
        **extra,
    )


def hold_draft(scope: Scope, invoice: Object) -> None:
    """Let a renewal's draft wait for an hour, in which the merchant may still change it."""
    invoice["automatically_finalizes_at"] = scope.now() + HOUR
