"""What crosses the interface of billing: plain, frozen values; amounts in the currency's units."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import SELLERS_OWN
from django_stripe_gateway.gateways.schedule_values import ScheduleSnapshot


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """Who is billed; empty fields are not sent, unless they are ``cleared``.

    Args:
        cleared: which of "email" and "name" the provider has been told, and shall forget.
        further: what the host adds to the call (``Adapter.further_params``), as the provider spells it.
    """

    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    cleared: Collection[str] = ()
    further: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CustomerSnapshot:
    """A customer as the provider sees it."""

    customer_id: str
    is_deleted: bool = False
    livemode: bool | None = None
    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    default_payment_method: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InvoiceSnapshot:
    """An invoice; amounts are in the currency's units, and a credit makes them negative.

    Args:
        status: the provider's word (draft, open, paid, uncollectible, void).
        client_secret: confirms its payment in the customer's browser; never stored or logged.
        requires_action: the customer has to authenticate before it can be paid.
        is_under_way: a payment of it was made that is decided in days, such as a bank debit; ``None`` if nothing says.
        amount_given_back: by credit notes after it was paid; ``amount_waived`` by those before.
        amount_credited: what the customer's balance has paid of it, a credit left from what was paid before.
        sellers_items: of its total, what the seller has put on it, as far as its lines are told.
        lines: what it charges for: description, amount, quantity, price id, whether it is a proration.
        has_all_lines: whether ``lines`` are all of them: an invoice shows only the first of many.
    """

    invoice_id: str
    status: str
    currency: str
    total: Decimal
    subtotal: Decimal
    amount_due: Decimal
    amount_paid: Decimal
    amount_remaining: Decimal
    amount_given_back: Decimal = Decimal(0)
    amount_waived: Decimal = Decimal(0)
    amount_credited: Decimal = Decimal(0)
    sellers_items: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    number: str = ""
    customer_id: str = ""
    subscription_id: str = ""
    billing_reason: str = ""
    hosted_url: str = field(default="", repr=False)
    pdf_url: str = field(default="", repr=False)
    intent_id: str = ""
    livemode: bool | None = None
    attempt_count: int = 0
    requires_action: bool = False
    is_under_way: bool | None = None
    created: datetime | None = None
    finalized_at: datetime | None = None
    due: datetime | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    paid_at: datetime | None = None
    next_payment_attempt: datetime | None = None
    client_secret: str = field(default="", repr=False)
    lines: Sequence[InvoiceLine] = ()
    has_all_lines: bool = True

    @property
    def is_paid_with_something(self) -> bool:
        """Whether money or a credit was paid for it: one of nothing, such as a trial's, is paid too at Stripe."""
        return self.status == "paid" and self.amount_paid + self.amount_credited > 0

    @property
    def is_sellers_own(self) -> bool:
        """Whether the seller has made it by hand: nothing was given for it that a subscription gives."""
        return self.billing_reason == SELLERS_OWN

    @property
    def late_since(self) -> datetime | None:
        """From when on it is late if it is open: it was due, or it was final, at which it is charged first."""
        return self.due or self.finalized_at or self.created


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice; ``amount`` is before ``discount``, which is taken off."""

    description: str
    amount: Decimal
    quantity: int | None = None
    price_id: str = ""
    item_id: str = ""
    is_proration: bool = False
    period_start: datetime | None = None
    period_end: datetime | None = None
    discount: Decimal = Decimal(0)

    @property
    def net_amount(self) -> Decimal:
        """What it charges, or credits, once discounts are taken off."""
        return self.amount - self.discount

    def net_after(self, moment: datetime) -> Decimal:
        """Return its share for the time after a moment, not rounded."""
        start, end = self.period_start, self.period_end
        if start is None or end is None or end <= max(start, moment):
            return Decimal(0)
        share = Decimal((end - max(start, moment)).total_seconds()) / Decimal((end - start).total_seconds())
        return self.net_amount * share

    def charges_after(self, moment: datetime) -> bool:
        """Return whether it charges for any time after a moment."""
        return self.amount > 0 and self.period_end is not None and self.period_end > moment


@dataclass(frozen=True, slots=True)
class SubscriptionItemSnapshot:
    """One price that a subscription is charged, in a period of its own.

    Args:
        amount: of one unit; ``None`` where there is no single one, such as in tiers.
        quantity: ``None`` where a meter counts.
        created: when it came to the subscription, where that is told.
    """

    item_id: str
    price_id: str = ""
    product_id: str = ""
    amount: Decimal | None = None
    currency: str = ""
    interval: str = ""
    interval_count: int = 1
    is_metered: bool = False
    quantity: int | None = 1
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    created: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubscriptionSnapshot:
    """A subscription as the provider sees it.

    Args:
        status: the provider's word, one of ``SubscriptionStatus``.
        items: what it is charged, in no promised order; which of them is the plan is decided by the catalogue.
        has_all_items: whether ``items`` are all of them: an event holds only the first of many.
        current_period_start: of the item whose period ends first; each item has its own.
        client_secret: of the first invoice's payment or of the pending SetupIntent, when the customer must act.
        client_secret_kind: "payment" or "setup": what the secret confirms.
        pause_behavior: empty unless collection is paused.
        has_pending_update: a change waits for its payment; ``pending_items`` are the items as it would make them.
        invoices: all of it, where they were asked for; ``past_due_since``, ``first_paid_at`` are what they say.
        is_payment_under_way: of what is late longest, where that was asked for.
        schedule: what becomes of it later, where that was asked for; ``schedule_id`` is told by every object.
        default_payment_method: charged instead of the customer's default one; empty where that one is charged.
        cancellation_reason: whose doing its end is; ``cancellation_feedback`` is the customer's, in Stripe's words.
        discounts: ``{"discount": id, "coupon": id, "promotion_code": id, "ends": ISO time or None}`` each; a value that
            the object does not tell is missing.
        billing_mode: "flexible" credits what was paid, "classic" by the price of now; empty where that is not told.
    """

    subscription_id: str
    status: str
    customer_id: str
    items: Sequence[SubscriptionItemSnapshot] = ()
    has_all_items: bool = True
    livemode: bool | None = None
    cancel_at_period_end: bool = False
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    start: datetime | None = None
    pause_behavior: str = ""
    pause_resumes_at: datetime | None = None
    has_pending_update: bool = False
    pending_items: Sequence[SubscriptionItemSnapshot] = ()
    latest_invoice_id: str = ""
    default_payment_method: str = ""
    cancellation_feedback: str = ""
    cancellation_comment: str = field(default="", repr=False)
    cancellation_reason: str = ""
    trial_end_behavior: str = ""
    collection_method: str = ""
    days_until_due: int | None = None
    discounts: Sequence[Mapping[str, str | None]] = ()
    billing_mode: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    client_secret: str = field(default="", repr=False)
    client_secret_kind: str = ""
    latest_invoice: InvoiceSnapshot | None = None
    invoices: Sequence[InvoiceSnapshot] = ()
    past_due_since: datetime | None = None
    first_paid_at: datetime | None = None
    is_payment_under_way: bool | None = None
    schedule_id: str = ""
    schedule: ScheduleSnapshot | None = None

    @property
    def pending_prices(self) -> dict[str, str]:
        """What a change that waits for its payment would charge, by item ids."""
        return {item.item_id: item.price_id for item in self.pending_items}

    def is_owed(self, invoice: InvoiceSnapshot) -> bool:
        """Return whether an invoice is open for what was given: not the seller's own, nor of a change that waits."""
        waits = self.has_pending_update and invoice.invoice_id == self.latest_invoice_id
        return invoice.status == "open" and not invoice.is_sellers_own and not waits


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """A price that a subscription is charged beside its plan's; no quantity where a meter counts."""

    price_id: str
    quantity: int | None = 1


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """What a gateway needs to start a subscription.

    Args:
        price_id: id of the plan's Price, or of the legacy plan on localstripe.
        quantity: of the plan's price, ``None`` where a meter counts; ``add_ons`` what is charged beside it.
        trial_days: length of a trial, 0 for none.
        promotion_code: the provider's id of a promotion code (``promo_…``); ``coupon`` the id of a coupon.
        billing_cycle_anchor: when the first full period begins.
        metadata: kept on the subscription, so that its events find our row.
        default_payment_method: charged at once, and instead of the customer's default one.
        trial_end_behavior: of a trial that ends without a payment method: "cancel", "create_invoice" or "pause".
        collection_method: "send_invoice", to be paid within ``days_until_due``; empty to charge by itself.
        further: what the host adds to the call that starts it, be it of the subscription or of its page.
    """

    customer_id: str
    price_id: str
    quantity: int | None = 1
    add_ons: Sequence[ItemRequest] = ()
    trial_days: int = 0
    promotion_code: str = ""
    coupon: str = ""
    automatic_tax: bool = False
    cancel_at_period_end: bool = False
    billing_cycle_anchor: datetime | None = None
    default_payment_method: str = ""
    trial_end_behavior: str = ""
    collection_method: str = ""
    days_until_due: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SubscriptionCheckoutRequest:
    """A page of the provider's that starts ``subscription`` once the customer has paid on it."""

    subscription: SubscriptionRequest
    success_url: str = field(repr=False)
    cancel_url: str = field(repr=False)
    allow_promotion_codes: bool = False
    #: When it closes unused; ``None`` for the provider's own time.
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SetupCheckoutRequest:
    """A page of the provider's on which a customer adds a payment method.

    Args:
        currency: what the customer pays in, by which the provider knows which payment methods to offer.
        return_url: where the page sends the browser back to, whether one was added or not.
        metadata: kept on the page and on what it makes, so that an earlier attempt is found.
        expires_at: when it closes unused; ``None`` for the provider's own time.
    """

    customer_id: str
    currency: str
    return_url: str = field(repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    further: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class BillingCheckoutSnapshot:
    """A Checkout Session in subscription or setup mode; ``status`` is open, complete or expired.

    An open one has a ``url``, or a ``client_secret`` if it stands within the host's own page.
    """

    session_id: str
    status: str
    url: str = field(default="", repr=False)
    subscription_id: str = ""
    customer_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What becomes of one item of a subscription; ``None`` leaves a value as it is.

    Args:
        item_id: the item to change, empty for one to be added.
        price_id: its price from then on.
        is_removed: it is not charged any more.
    """

    item_id: str = ""
    price_id: str | None = None
    quantity: int | None = None
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What becomes of a subscription; ``None`` leaves a value as it is, and so does an item that is not named.

    Args:
        items: the items that change.
        proration: "create_prorations", "always_invoice" or "none".
        proration_date: the moment that a preview was made for, so that the change costs what it had said.
        cancel_at: a date to end on, whatever ``cancel_at_period_end`` says.
        cancellation_feedback: why the customer goes, in the provider's words, and ``cancellation_comment`` in theirs.
        trial_end: when the trial ends, with a change of items; ``ends_trial``: now.
        collection_method: of the subscription, which stays: "send_invoice" is charged nothing by the change.
    """

    items: Sequence[ItemChange] = ()
    proration: str = "create_prorations"
    proration_date: datetime | None = None
    cancel_at_period_end: bool | None = None
    cancel_at: datetime | None = None
    cancellation_feedback: str = ""
    cancellation_comment: str = field(default="", repr=False)
    trial_end: datetime | None = None
    ends_trial: bool = False
    collection_method: str = ""


@dataclass(frozen=True, slots=True)
class PaymentMethodSnapshot:
    """A customer's payment method: what may be shown of it, and nothing else."""

    payment_method_id: str
    kind: str
    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class SetupSnapshot:
    """A SetupIntent, by which a customer adds a payment method in the browser."""

    setup_id: str
    status: str
    client_secret: str = field(default="", repr=False)
    payment_method_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
