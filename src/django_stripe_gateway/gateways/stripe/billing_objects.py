"""Subscriptions and invoices, of both API generations and as localstripe makes them, as this app's frozen values.

Since 2025-03-31.basil the period is on a subscription's items, and an invoice names its subscription in ``parent`` and
its payment in ``payments`` and ``confirmation_secret``. A webhook endpoint keeps the version that it was made with, so
both shapes arrive for years.

Each reader raises ``ProviderError`` for an object that is half-formed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_stripe_gateway.gateways.billing_values import (
    InvoiceLine,
    InvoiceSnapshot,
    SubscriptionItemSnapshot,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    amount_of,
    count_of,
    flag,
    metadata_of,
    moment,
    object_id,
    optional_entries,
    optional_text,
    part,
    reads,
    signed_amount_of,
    text,
)
from django_stripe_gateway.gateways.stripe.item_objects import item_snapshots
from django_stripe_gateway.gateways.stripe.schedule_objects import schedule_snapshot

# A first or renewed payment that the customer can still make.
UNPAID_STATUSES = frozenset({"incomplete", "past_due", "unpaid"})
# Lines as the older generation calls those of a subscription.
SUBSCRIPTION_LINES = frozenset({"subscription", "subscription_item_details"})
# Likewise those of invoice items, of which what is prorated is made by Stripe.
SELLERS_LINES = frozenset({"invoiceitem", "invoice_item_details"})


@reads("a subscription")
def subscription_snapshot(obj: Object) -> SubscriptionSnapshot:
    """Return the snapshot of a Subscription."""
    invoice, pause = obj.get("latest_invoice"), part(obj.get("pause_collection"))
    schedule = obj.get("schedule")
    latest = invoice_snapshot(invoice) if isinstance(invoice, dict) else None
    status = text(obj["status"])
    if status == "incomplete" and obj.get("trial_end") and not invoice:
        # localstripe keeps a trial's end, makes no invoice and calls that incomplete. At Stripe every incomplete
        # subscription has an invoice.
        status, obj = "trialing", {**obj, "current_period_end": obj["trial_end"]}
    items = item_snapshots(obj)
    # The one that ends first, whatever order they come in.
    start, end = min(
        ((item.current_period_start, item.current_period_end) for item in items if item.current_period_end),
        key=lambda period: (period[1], period[0] or period[1]),
        default=(moment(obj.get("current_period_start")), moment(obj.get("current_period_end"))),
    )
    has_pending_update = bool(obj.get("pending_update"))
    secret, kind = _client_secret(obj, latest, waits=status in UNPAID_STATUSES or has_pending_update)
    # In the flexible billing mode the customer portal says with a date instead of the flag that a subscription ends
    # with its period (https://docs.stripe.com/billing/subscriptions/billing-mode/compare).
    cancel_at = moment(obj.get("cancel_at"))
    ends = cancel_at is not None and cancel_at in {item.current_period_end for item in items} | {end}
    return SubscriptionSnapshot(
        subscription_id=text(obj["id"]),
        status=status,
        customer_id=text(object_id(obj["customer"])),
        items=items,
        has_all_items=part(obj["items"]).get("has_more") is not True,
        livemode=flag(obj.get("livemode")),
        cancel_at_period_end=obj.get("cancel_at_period_end") is True or ends,
        cancel_at=cancel_at,
        canceled_at=moment(obj.get("canceled_at")),
        ended_at=moment(obj.get("ended_at")),
        current_period_start=start,
        current_period_end=end,
        trial_start=moment(obj.get("trial_start")),
        trial_end=moment(obj.get("trial_end")),
        start=moment(obj.get("start_date") or obj.get("start") or obj.get("created")),
        pause_behavior=optional_text(pause.get("behavior")),
        pause_resumes_at=moment(pause.get("resumes_at")),
        has_pending_update=has_pending_update,
        pending_items=_pending_items(part(obj.get("pending_update"))),
        latest_invoice_id=object_id(invoice),
        # Old integrations know sources.
        default_payment_method=object_id(obj.get("default_payment_method") or obj.get("default_source")),
        **_terms(obj),
        metadata=metadata_of(obj.get("metadata")),
        client_secret=secret,
        client_secret_kind=kind,
        latest_invoice=latest,
        schedule_id=object_id(schedule),
        schedule=schedule_snapshot(schedule) if isinstance(schedule, dict) else None,
    )


def _pending_items(update: Object) -> list[SubscriptionItemSnapshot]:
    """Return what a change would make the items, of which only what it sets is told for certain."""
    return [
        SubscriptionItemSnapshot(
            item_id=text(item["id"]),
            price_id=object_id(item.get("price") or item.get("plan")),
            quantity=None if item.get("quantity") is None else count_of(item["quantity"], 1),
        )
        for item in update.get("subscription_items") or []
    ]


def _terms(obj: Object) -> dict[str, Any]:
    """Return how it is collected, why it ends, and what lowers its price."""
    said = part(obj.get("cancellation_details"))
    days = obj.get("days_until_due")
    return {
        "cancellation_feedback": optional_text(said.get("feedback")),
        "cancellation_comment": optional_text(said.get("comment")),
        "cancellation_reason": optional_text(said.get("reason")),
        "trial_end_behavior": optional_text(
            part(part(obj.get("trial_settings")).get("end_behavior")).get("missing_payment_method")
        ),
        "collection_method": optional_text(obj.get("collection_method")),
        "days_until_due": None if days is None else count_of(days, 0),
        "discounts": _discounts(obj),
        "billing_mode": optional_text(part(obj.get("billing_mode")).get("type")),
    }


def _discounts(obj: Object) -> list[dict[str, str | None]]:
    """Return the discounts of a subscription; the older generation shows the only one in ``discount``."""
    one, listed = part(obj.get("discount")), obj.get("discounts")
    found = listed if isinstance(listed, list) and listed else [one] if one else []
    known = [one if one and object_id(given) == one.get("id") else given for given in found]
    return [_discount(given) for given in known if object_id(given)]


def _discount(given: Any) -> dict[str, str | None]:
    if not isinstance(given, dict):
        return {"discount": object_id(given)}
    # The coupon has moved into ``source``.
    coupon = part(given.get("source")).get("coupon") or given.get("coupon")
    ends = moment(given.get("end"))
    return {
        "discount": object_id(given),
        "coupon": object_id(coupon),
        "promotion_code": object_id(given.get("promotion_code")),
        "ends": None if ends is None else ends.isoformat(),
    }


@reads("an invoice")
def codes_of(obj: Object) -> set[str]:
    """Return the promotion codes of an invoice's discounts."""
    return {known.get("promotion_code") or "" for known in _discounts(obj)}


@reads("a subscription")
def ends_by_date(obj: Object) -> bool:
    """Return whether only a date says that a subscription will end: taking the flag back would not keep it."""
    return bool(obj["id"] and obj.get("cancel_at")) and obj.get("cancel_at_period_end") is not True


def _client_secret(obj: Object, invoice: InvoiceSnapshot | None, *, waits: bool) -> tuple[str, str]:
    if waits and invoice is not None and invoice.status == "open" and invoice.client_secret:
        return invoice.client_secret, "payment"
    setup = part(obj.get("pending_setup_intent"))
    if setup.get("client_secret") and setup.get("status") not in ("succeeded", "canceled"):
        return text(setup["client_secret"]), "setup"
    return "", ""


@reads("an invoice")
def invoice_snapshot(obj: Object) -> InvoiceSnapshot:
    """Return the snapshot of an Invoice; one that is only announced has no id."""
    currency = text(obj["currency"])
    due = signed_amount_of(obj["amount_due"], currency)
    paid = amount_of(obj["amount_paid"], currency)
    remaining = obj.get("amount_remaining")
    intent = _intent(obj)
    secret = part(obj.get("confirmation_secret")).get("client_secret")
    taxes = obj.get("total_taxes") or obj.get("total_tax_amounts") or [{"amount": obj.get("tax") or 0}]
    lines = optional_entries(obj.get("lines"))
    start, end = _service_period(obj, lines)
    return InvoiceSnapshot(
        invoice_id=optional_text(obj.get("id")),
        status=optional_text(obj.get("status")) or "draft",
        currency=currency.upper(),
        total=signed_amount_of(obj["total"], currency),
        subtotal=signed_amount_of(obj["subtotal"], currency),
        amount_due=due,
        amount_paid=paid,
        # localstripe does not say.
        amount_remaining=due - paid if remaining is None else signed_amount_of(remaining, currency),
        amount_given_back=signed_amount_of(obj.get("post_payment_credit_notes_amount") or 0, currency),
        amount_waived=signed_amount_of(obj.get("pre_payment_credit_notes_amount") or 0, currency),
        amount_credited=signed_amount_of(_credited(obj), currency),
        sellers_items=signed_amount_of(_sellers_items(lines), currency),
        tax=sum((signed_amount_of(tax["amount"], currency) for tax in taxes), signed_amount_of(0, currency)),
        number=optional_text(obj.get("number")),
        customer_id=object_id(obj.get("customer")),
        subscription_id=invoice_subscription_id(obj),
        billing_reason=optional_text(obj.get("billing_reason")),
        hosted_url=optional_text(obj.get("hosted_invoice_url")),
        pdf_url=optional_text(obj.get("invoice_pdf")),
        intent_id=object_id(intent),
        livemode=flag(obj.get("livemode")),
        attempt_count=count_of(obj.get("attempt_count"), 0),
        requires_action=part(intent).get("status") == "requires_action",
        is_under_way=part(intent)["status"] == "processing" if part(intent).get("status") else None,
        created=moment(obj.get("created") or obj.get("date")),
        finalized_at=moment(part(obj.get("status_transitions")).get("finalized_at")),
        due=moment(obj.get("due_date")),
        period_start=start,
        period_end=end,
        paid_at=moment(part(obj.get("status_transitions")).get("paid_at")),
        next_payment_attempt=moment(obj.get("next_payment_attempt")),
        client_secret=optional_text(secret) or optional_text(part(intent).get("client_secret")),
        lines=[_line(line, currency) for line in lines],
        has_all_lines=part(obj.get("lines")).get("has_more") is not True,
    )


def _credited(obj: Object) -> int:
    """Return what the customer's credit, a negative balance, has paid of an invoice.

    One that is smaller than what can be charged is paid too: it leaves what the customer owes, a positive balance.
    """
    before, after = obj.get("starting_balance"), obj.get("ending_balance")
    if not (isinstance(before, int) and isinstance(after, int)):
        return 0
    # A negative invoice adds to the credit.
    return max(0, min(0, after) - min(0, before))


def invoice_subscription_id(obj: Object) -> str:
    """Return the id of the subscription that an invoice is of, empty if it is of none."""
    details = part(part(obj.get("parent")).get("subscription_details"))
    return object_id(details.get("subscription")) or object_id(obj.get("subscription"))


def _intent(obj: Object) -> Any:
    """Return the PaymentIntent of an invoice: its id, or the object where it was expanded."""
    if obj.get("payment_intent"):
        return obj["payment_intent"]
    found: Any = None
    for payment in optional_entries(obj.get("payments")):
        intent = part(payment.get("payment")).get("payment_intent")
        if intent and (found is None or payment.get("is_default") is True):
            found = intent
    return found


def _service_period(obj: Object, lines: list[Object]) -> tuple[datetime | None, datetime | None]:
    """Return the time that an invoice is for, which its lines say.

    An invoice's own period is the one in which its items were collected, and looks one period back
    (https://docs.stripe.com/api/invoices/object#invoice_object-period_end).
    """
    spans = [
        part(line.get("period"))
        for line in lines
        if _type_of_line(line) in SUBSCRIPTION_LINES and not _is_proration(line)
    ]
    starts = [span["start"] for span in spans if span.get("start")] or [obj.get("period_start")]
    ends = [span["end"] for span in spans if span.get("end")] or [obj.get("period_end")]
    return moment(min(starts)), moment(max(ends))


def _is_proration(line: Object) -> bool:
    parent = part(line.get("parent"))
    details = part(parent.get("subscription_item_details")) or part(parent.get("invoice_item_details"))
    return (details or line).get("proration") is True


@reads("a line of an invoice")
def invoice_line(obj: Object) -> InvoiceLine:
    """Return a line that was listed apart from its invoice."""
    return _line(obj, text(obj["currency"]))


def _line(line: Object, currency: str) -> InvoiceLine:
    price = part(part(line.get("pricing")).get("price_details")).get("price") or line.get("price") or line.get("plan")
    details = part(part(line.get("parent")).get("subscription_item_details"))
    period = part(line.get("period"))
    quantity = line.get("quantity")
    return InvoiceLine(
        description=optional_text(line.get("description")),
        amount=signed_amount_of(line["amount"], currency),
        quantity=None if quantity is None else count_of(quantity, 1),
        price_id=object_id(price),
        item_id=object_id(details.get("subscription_item") or line.get("subscription_item")),
        is_proration=_is_proration(line),
        period_start=moment(period.get("start")),
        period_end=moment(period.get("end")),
        discount=signed_amount_of(_discount_of(line), currency),
    )


def _sellers_items(lines: list[Object]) -> int:
    """Return what the seller has put on an invoice, less its discounts, with the tax that comes on top."""
    total = 0
    for line in lines:
        if _type_of_line(line) not in SELLERS_LINES or _is_proration(line):
            continue
        taxes = line.get("taxes") or line.get("tax_amounts") or []
        on_top = [tax for tax in taxes if tax.get("tax_behavior") == "exclusive" or tax.get("inclusive") is False]
        total += line["amount"] + sum(tax["amount"] for tax in on_top)
        total -= _discount_of(line)
    return total


def _discount_of(line: Object) -> int:
    return sum(discount["amount"] for discount in line.get("discount_amounts") or [])


def _type_of_line(line: Object) -> Any:
    return part(line.get("parent")).get("type") or line.get("type")
