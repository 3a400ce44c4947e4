"""Subscriptions and invoices at Stripe, with Prices and payments that the customer confirms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderError, ProviderStateError
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    InvoiceSnapshot,
    ItemChange,
    ItemRequest,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.stripe.billing_objects import (
    ends_by_date,
    invoice_snapshot,
    subscription_snapshot,
)
from django_stripe_gateway.gateways.stripe.calls import ask, seconds
from django_stripe_gateway.gateways.stripe.catalogue import StripeCatalogue
from django_stripe_gateway.gateways.stripe.catalogue_objects import billing_checkout_snapshot
from django_stripe_gateway.gateways.stripe.customers import StripeCustomers
from django_stripe_gateway.gateways.stripe.invoice_money import StripeInvoiceMoney
from django_stripe_gateway.gateways.stripe.invoicing import StripeInvoicing
from django_stripe_gateway.gateways.stripe.schedules import StripeSchedules
from django_stripe_gateway.gateways.stripe.subscription_terms import StripeSubscriptionTerms
from django_stripe_gateway.gateways.stripe.whole_subscriptions import subscription_answer
from django_stripe_gateway.gateways.subscription_values import SubscriptionEnd

# How Stripe refuses to pay an invoice whose customer has to authenticate (https://docs.stripe.com/error-codes).
INVOICE_REQUIRES_ACTION = "invoice_payment_intent_requires_action"


class StripeBillingGateway(
    StripeCatalogue,
    StripeCustomers,
    StripeSubscriptionTerms,
    StripeSchedules,
    StripeInvoicing,
    StripeInvoiceMoney,
    BillingGateway,
):
    """Bills customers of one Stripe account."""

    supports_incomplete = True
    supports_checkout = True
    supports_portal = True
    supports_pause = True
    supports_promotion_codes = True
    supports_preview = True
    supports_change_invoices = True
    supports_setup_checkout = True
    supports_invoice_payment = True
    supports_items = True
    supports_metered_prices = True
    supports_lookup_keys = True
    supports_trial_changes = True

    # Subscriptions.

    def create_subscription(self, request: SubscriptionRequest, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Start a subscription; its first payment is the customer's to confirm, with the client secret.

        A payment method that is named is charged at once; what it does not pay is the customer's to confirm, too.
        """
        params: dict[str, Any] = {
            "customer": request.customer_id,
            "items": _items(request),
            "payment_behavior": "allow_incomplete" if request.default_payment_method else "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
            "metadata": dict(request.metadata),
            "expand": self._subscription_expand(),
            **self._billing_mode(),
            **_timing(request),
            **_discounts(request),
        }
        if request.collection_method == "send_invoice":
            # Nothing is charged now.
            del params["payment_behavior"], params["payment_settings"]
            params |= {"collection_method": request.collection_method, "days_until_due": request.days_until_due}
        if request.automatic_tax:
            params["automatic_tax"] = {"enabled": True}
        if request.cancel_at_period_end:
            params["cancel_at_period_end"] = True
        if request.default_payment_method:
            params["default_payment_method"] = request.default_payment_method
        params, create = self._with_further(params, request.further), self.v1.subscriptions.create
        return self._whole(self._send(create, subscription_answer, idempotency_key, params=params))

    def retrieve_subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        """Ask where a subscription stands; its invoices say since when it is past due, and how far one is paid."""
        params = {"expand": self._subscription_expand()}
        answer = ask(lambda: self.v1.subscriptions.retrieve(subscription_id, params=params), subscription_answer)
        found = self._whole(answer)
        if found.status != "past_due" and not found.pause_behavior:
            return found
        found = replace(found, invoices=self.list_subscription_invoices(found.subscription_id))
        return _with_lateness(found) if found.status == "past_due" else found

    def list_subscriptions(self, customer_id: str) -> Sequence[SubscriptionSnapshot]:
        """Return all subscriptions of a customer, ended ones too."""
        return self._list(
            lambda params: self.v1.subscriptions.list(params=params),
            subscription_snapshot,
            customer=customer_id,
            status="all",
        )

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Change price, quantity or when it ends.

        What has to be paid at once holds the change back until it is paid. Stripe takes ``cancel_at_period_end`` in
        such a request not at all; a change of both is refused instead when the payment fails. Where invoices are sent,
        nothing is charged that could fail, and no change may wait
        (https://docs.stripe.com/billing/subscriptions/pending-updates).
        """
        ends = self._end(subscription_id, change)
        params: dict[str, Any] = {**_change(change), **ends, "expand": self._subscription_expand()}
        if change.cancellation_feedback or change.cancellation_comment:
            said = {"feedback": change.cancellation_feedback, "comment": change.cancellation_comment}
            params["cancellation_details"] = said
        if change.cancel_at is not None:
            params["proration_behavior"] = change.proration
        if "items" in params and change.collection_method != "send_invoice":
            params["payment_behavior"] = "error_if_incomplete" if ends else "pending_if_incomplete"
        return self._update(subscription_id, params, idempotency_key)

    def preview_change(self, subscription_id: str, customer_id: str, change: SubscriptionChange) -> InvoiceSnapshot:
        """Return the invoice that a change would lead to: at once, or else the next one."""
        details = {**_change(change), **self._end(subscription_id, change)}
        params = {"customer": customer_id, "subscription": subscription_id, "subscription_details": details}
        return ask(lambda: self.v1.invoices.create_preview(params=params), invoice_snapshot, about_state=True)

    def charge_customers_default(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Clear the subscription's own payment method: what it has of its own wins over its customer's default one."""
        params = {"default_payment_method": "", "default_source": "", "expand": self._subscription_expand()}
        return self._update(subscription_id, params, idempotency_key)

    def charge_subscription_on(
        self, subscription_id: str, payment_method_id: str, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Set the subscription's own payment method, which wins over its customer's default one."""
        params = {"default_payment_method": payment_method_id, "expand": self._subscription_expand()}
        return self._update(subscription_id, params, idempotency_key)

    def cancel_subscription(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """End a subscription at once; one that has ended already is returned as it is."""
        return self.end_subscription(subscription_id, SubscriptionEnd(), idempotency_key=idempotency_key)

    def end_subscription(
        self, subscription_id: str, end: SubscriptionEnd, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """End a subscription at once, and settle what is open; one that has ended already is returned as it is."""
        if end.unpaid_invoice_id:
            self.void_invoice(end.unpaid_invoice_id, idempotency_key=f"{idempotency_key}-void")
        params: dict[str, Any] = {}
        if end.credits_unused:
            params["prorate"] = True
        if end.settles_pending:
            params["invoice_now"] = True
        if end.feedback or end.comment:
            params["cancellation_details"] = {"feedback": end.feedback, "comment": end.comment}
        try:
            answer = self._send(
                self.v1.subscriptions.cancel,
                subscription_answer,
                idempotency_key,
                subscription_id,
                params=params,
                about_state=True,
            )
            return self._whole(answer)
        except ProviderError as error:
            # Stripe no longer knows an ended subscription when it is to be canceled, and still shows it.
            if not error.is_missing:
                raise
        return self.retrieve_subscription(subscription_id)

    def void_invoice(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Take back an open invoice; Stripe refuses that of one that is paid, in whichever order the two arrive."""
        try:
            self._send(
                self.v1.invoices.void_invoice,
                invoice_snapshot,
                idempotency_key,
                invoice_id,
                params={},
                about_state=True,
            )
        except ProviderStateError:
            # As an earlier attempt has left it.
            if self.retrieve_invoice(invoice_id).status != "void":
                raise

    def pause_subscription(
        self, subscription_id: str, *, behavior: str, resumes_at: datetime | None, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Stop collecting money; the subscription's status stays what it is."""
        pause: dict[str, Any] = {"behavior": behavior}
        if resumes_at is not None:
            pause["resumes_at"] = seconds(resumes_at)
        params = {"pause_collection": pause, "expand": self._subscription_expand()}
        return self._update(subscription_id, params, idempotency_key)

    def unpause_subscription(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Collect money again; a subscription that was paused after its trial becomes active."""
        if self.retrieve_subscription(subscription_id).status != "paused":
            params = {"pause_collection": "", "expand": self._subscription_expand()}
            return self._update(subscription_id, params, idempotency_key)
        params = {"billing_cycle_anchor": "now", "expand": self._subscription_expand()}
        resume = self.v1.subscriptions.resume
        return self._whole(
            self._send(resume, subscription_answer, idempotency_key, subscription_id, params=params, about_state=True)
        )

    def _end(self, subscription_id: str, change: SubscriptionChange) -> dict[str, Any]:
        """Return the parameters that say when a subscription ends, empty where that stays as it is."""
        if change.cancel_at is not None:
            return {"cancel_at": seconds(change.cancel_at)}
        if change.cancel_at_period_end is None:
            return {}
        if not change.cancel_at_period_end and self._ends_by_date(subscription_id):
            return {"cancel_at": ""}
        return {"cancel_at_period_end": change.cancel_at_period_end}

    def _ends_by_date(self, subscription_id: str) -> bool:
        return ask(lambda: self.v1.subscriptions.retrieve(subscription_id), ends_by_date)

    # Pages that start subscriptions.

    def create_subscription_checkout(
        self, request: SubscriptionCheckoutRequest, *, idempotency_key: str
    ) -> BillingCheckoutSnapshot:
        """Make a Checkout Session; ``cancel_at_period_end`` is for its subscription, once there is one."""
        subscription = request.subscription
        params: dict[str, Any] = {
            "mode": "subscription",
            "customer": subscription.customer_id,
            "line_items": _items(subscription),
            "success_url": request.success_url,
            "cancel_url": request.cancel_url,
            "metadata": dict(subscription.metadata),
            "subscription_data": {
                "metadata": dict(subscription.metadata),
                **self._billing_mode(),
                **_timing(subscription),
            },
            **_discounts(subscription),
        }
        if subscription.trial_days and subscription.trial_end_behavior:
            # Stripe knows what to do when the trial ends without a card, so that none has to be asked for.
            params["payment_method_collection"] = "if_required"
        if request.allow_promotion_codes and "discounts" not in params:
            params["allow_promotion_codes"] = True
        if subscription.automatic_tax:
            params["automatic_tax"] = {"enabled": True}
            params["customer_update"] = {"address": "auto"}
        params = self._page_with_further(params, subscription.further)
        return self._make_page(params, idempotency_key, request.expires_at)

    def find_subscription_checkout(self, customer_id: str, token: str) -> BillingCheckoutSnapshot | None:
        """Return the page whose subscription carries ``token``: the first one, of which all others are copies."""
        marked = [page for page in self._pages_of(customer_id) if page.metadata.get("token") == token]
        return marked[-1] if marked else None

    def retrieve_subscription_checkout(self, session_id: str) -> BillingCheckoutSnapshot:
        """Ask where such a page stands."""
        return ask(lambda: self.v1.checkout.sessions.retrieve(session_id), billing_checkout_snapshot)

    def expire_subscription_checkout(self, session_id: str, *, idempotency_key: str) -> BillingCheckoutSnapshot:
        """Close such a page before it is used."""
        return self._send(
            self.v1.checkout.sessions.expire, billing_checkout_snapshot, idempotency_key, session_id, about_state=True
        )

    # Invoices.

    def retrieve_invoice(self, invoice_id: str) -> InvoiceSnapshot:
        """Ask for an invoice, with what confirms its payment."""
        params = {"expand": self._invoice_expand()}
        return ask(lambda: self.v1.invoices.retrieve(invoice_id, params=params), invoice_snapshot)

    def pay_invoice(
        self, invoice_id: str, *, payment_method: str = "", off_session: bool = False, idempotency_key: str
    ) -> InvoiceSnapshot:
        """Charge an open invoice now; what its customer has to authenticate Stripe answers with a refusal."""
        params: dict[str, Any] = {"off_session": off_session, "expand": self._invoice_expand()}
        if payment_method:
            params["payment_method"] = payment_method
        try:
            return self._send(
                self.v1.invoices.pay, invoice_snapshot, idempotency_key, invoice_id, params=params, about_state=True
            )
        except PaymentDeclined as error:
            if error.code != INVOICE_REQUIRES_ACTION:
                raise
        return self.retrieve_invoice(invoice_id)

    def list_invoices(self, customer_id: str, *, status: str = "") -> Sequence[InvoiceSnapshot]:
        """Return the customer's invoices, the newest first; only those of a ``status`` if one is named."""
        wanted = {"customer": customer_id, **({"status": status} if status else {})}
        return self._list(lambda params: self.v1.invoices.list(params=params), invoice_snapshot, **wanted)

    # Reading what webhooks bring.

    def read_subscription(self, obj: Mapping[str, Any]) -> SubscriptionSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""
        return subscription_snapshot(obj)

    def read_invoice(self, obj: Mapping[str, Any]) -> InvoiceSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""
        return invoice_snapshot(obj)

    def read_subscription_checkout(self, obj: Mapping[str, Any]) -> BillingCheckoutSnapshot:
        """Return the snapshot of an event's Checkout Session in subscription mode."""
        return billing_checkout_snapshot(obj)

    def _invoice_expand(self) -> list[str]:
        if self._is_older:
            return ["payment_intent"]
        return ["confirmation_secret", "payments.data.payment.payment_intent"]


def _timing(request: SubscriptionRequest) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if request.trial_days:
        params["trial_period_days"] = request.trial_days
        if request.trial_end_behavior:
            end = {"missing_payment_method": request.trial_end_behavior}
            params["trial_settings"] = {"end_behavior": end}
    if request.billing_cycle_anchor is not None:
        params["billing_cycle_anchor"] = seconds(request.billing_cycle_anchor)
    return params


def _discounts(request: SubscriptionRequest) -> dict[str, Any]:
    if request.promotion_code:
        return {"discounts": [{"promotion_code": request.promotion_code}]}
    return {"discounts": [{"coupon": request.coupon}]} if request.coupon else {}


def _items(request: SubscriptionRequest) -> list[dict[str, Any]]:
    wanted = [ItemRequest(request.price_id, request.quantity), *request.add_ons]
    return [_named(price=item.price_id, quantity=item.quantity) for item in wanted]


def _change(change: SubscriptionChange) -> dict[str, Any]:
    """Return the parameters that a change and its preview share."""
    if not change.items:
        return {}
    params: dict[str, Any] = {"items": [_item(item) for item in change.items], "proration_behavior": change.proration}
    if change.proration_date is not None:
        params["proration_date"] = seconds(change.proration_date)
    if change.ends_trial:
        params["trial_end"] = "now"
    elif change.trial_end is not None:
        params["trial_end"] = seconds(change.trial_end)
    return params


def _item(item: ItemChange) -> dict[str, Any]:
    named = _named(id=item.item_id or None, price=item.price_id, quantity=item.quantity)
    return {**named, "deleted": True} if item.is_removed else named


def _named(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _with_lateness(found: SubscriptionSnapshot) -> SubscriptionSnapshot:
    """Return a subscription with what its invoices say: since when one is late, and when one was paid first."""
    late = (invoice.late_since for invoice in found.invoices if found.is_owed(invoice))
    paid = (invoice.paid_at or invoice.created for invoice in found.invoices if invoice.is_paid_with_something)
    since, first = (min(filter(None, moments), default=None) for moments in (late, paid))
    return replace(found, past_due_since=since, first_paid_at=first)
