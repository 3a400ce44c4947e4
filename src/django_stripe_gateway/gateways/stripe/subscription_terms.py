"""The terms of a subscription at Stripe: its trial, its discounts, how it is collected, and what is given back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.gateways.billing_values import InvoiceLine, InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.stripe.billing_objects import (
    codes_of,
    invoice_line,
    invoice_snapshot,
    subscription_snapshot,
)
from django_stripe_gateway.gateways.stripe.calls import ask, seconds
from django_stripe_gateway.gateways.stripe.fields import Object, object_id, reads
from django_stripe_gateway.gateways.stripe.payment_objects import dispute_snapshot, refund_snapshot
from django_stripe_gateway.gateways.stripe.whole_subscriptions import StripeWholeSubscriptions, subscription_answer
from django_stripe_gateway.gateways.subscription_values import DiscountChange

# The version that moved an invoice's payment; what can be expanded moved with it.
BILLING_MOVED = "2025-03-31"
# The version that lets a request name the billing mode (https://docs.stripe.com/changelog/basil/2025-06-30/billing-mode).
BILLING_MODES_SINCE = "2025-06-30"
# What was begun and goes on.
BEGUN = frozenset({"active", "trialing", "past_due", "unpaid", "paused"})
# Disputes that leave the money with the seller, or of which a refund says what went; nor does an inquiry take any.
NOT_TAKEN = frozenset({"won", "prevented", "charge_refunded"})


class StripeSubscriptionTerms(StripeWholeSubscriptions):
    """Changes the terms of subscriptions."""

    def change_trial(
        self, subscription_id: str, *, ends: datetime | None, collection_method: str = "", idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Move a trial's end, or end it now; a payment that fails then is refused, and the trial goes on.

        Where invoices are sent, nothing is charged that could fail.
        """
        params: dict[str, Any] = {"expand": self._subscription_expand(), "proration_behavior": "none"}
        params["trial_end"] = "now" if ends is None else seconds(ends)
        if ends is None and collection_method != "send_invoice":
            params["payment_behavior"] = "error_if_incomplete"
        return self._update(subscription_id, params, idempotency_key)

    def change_discounts(
        self, subscription_id: str, change: DiscountChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Set the discounts; a list overwrites those that there are, and an empty text takes them away."""
        given: list[dict[str, str]] = [{"discount": kept} for kept in change.kept]
        if change.coupon:
            given.append({"coupon": change.coupon})
        if change.promotion_code:
            given.append({"promotion_code": change.promotion_code})
        params = {"discounts": given or "", "expand": self._subscription_expand()}
        return self._update(subscription_id, params, idempotency_key)

    def change_collection(
        self, subscription_id: str, *, collection_method: str, days_until_due: int | None, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Charge by itself from now on, or send invoices."""
        params: dict[str, Any] = {"collection_method": collection_method, "expand": self._subscription_expand()}
        if days_until_due is not None:
            params["days_until_due"] = days_until_due
        return self._update(subscription_id, params, idempotency_key)

    def preview_end(self, subscription_id: str, customer_id: str, *, credits_unused: bool = True) -> InvoiceSnapshot:
        """Return the invoice that an end now would lead to; what is left of the period makes it negative."""
        details = {"cancel_now": True, "proration_behavior": "always_invoice" if credits_unused else "none"}
        params = {"customer": customer_id, "subscription": subscription_id, "subscription_details": details}
        return ask(lambda: self.v1.invoices.create_preview(params=params), invoice_snapshot, about_state=True)

    def list_subscription_invoices(self, subscription_id: str) -> Sequence[InvoiceSnapshot]:
        """Return the invoices of a subscription, the newest first."""
        return self._list(
            lambda params: self.v1.invoices.list(params=params), invoice_snapshot, subscription=subscription_id
        )

    def list_invoice_lines(self, invoice_id: str) -> Sequence[InvoiceLine]:
        """Return all lines of an invoice."""
        return self._list(lambda params: self.v1.invoices.line_items.list(invoice_id, params=params), invoice_line)

    def used_promotion_codes(self, customer_id: str) -> set[str]:
        """Return the codes on a customer's paid invoices and on what runs or was tried: also those of Stripe's pages.

        What has not been paid for, or was given up, has used none.
        """
        used: set[str] = set()
        invoices = lambda params: self.v1.invoices.list(params=params)  # noqa: E731
        for codes in self._items(invoices, codes_of, customer=customer_id, status="paid", expand=["data.discounts"]):
            used.update(codes)
        listed = lambda params: self.v1.subscriptions.list(params=params)  # noqa: E731
        wanted = {"customer": customer_id, "status": "all", "expand": ["data.discounts"]}
        for found in self._items(listed, subscription_snapshot, **wanted):
            if found.status in BEGUN or (found.ended_at and found.trial_start):
                used.update(known.get("promotion_code") or "" for known in found.discounts)
        return used - {""}

    def given_back_directly(self, invoice_id: str) -> Decimal:
        """Return what was given back of an invoice's payment by no credit note.

        Refunded on the charge, as in the Dashboard, or disputed at the customer's bank, which takes the money at once
        and returns it if the dispute is won (https://docs.stripe.com/disputes/how-disputes-work).
        """
        params = {} if self._is_older else {"expand": ["payments"]}
        invoice = ask(lambda: self.v1.invoices.retrieve(invoice_id, params=params), invoice_snapshot)
        if not invoice.intent_id:
            return Decimal(0)
        listed = self._items(self.v1.refunds.list, refund_snapshot, payment_intent=invoice.intent_id)
        refunds = [refund for refund in listed if refund.status not in (RefundStatus.FAILED, RefundStatus.CANCELED)]
        noted: set[str] = set()
        if refunds:
            notes = lambda params: self.v1.credit_notes.list(params=params)  # noqa: E731
            noted.update(*self._items(notes, _noted_refunds, invoice=invoice_id))
        taken = [
            dispute.amount
            for dispute in self._items(self.v1.disputes.list, dispute_snapshot, payment_intent=invoice.intent_id)
            if dispute.status not in NOT_TAKEN and not dispute.status.startswith("warning_")
        ]
        refunded = (refund.amount for refund in refunds if refund.refund_id not in noted)
        return min(sum(taken, sum(refunded, Decimal(0))), invoice.amount_paid)

    def _update(self, subscription_id: str, params: dict[str, Any], idempotency_key: str) -> SubscriptionSnapshot:
        update = self.v1.subscriptions.update
        return self._whole(
            self._send(update, subscription_answer, idempotency_key, subscription_id, params=params, about_state=True)
        )

    @property
    def _is_older(self) -> bool:
        return bool(self.account.api_version) and self.account.api_version < BILLING_MOVED

    def _billing_mode(self) -> dict[str, Any]:
        """Return how a new subscription credits: what was paid, and not what its price is by now, without discounts.

        Versions before 2025-09-30.clover credit the other way unless they are asked, and the oldest know no other. A
        schedule, and a preview of what runs, take the mode of their subscription.
        """
        version = self.account.api_version
        return {} if version and version < BILLING_MODES_SINCE else {"billing_mode": {"type": "flexible"}}

    def _subscription_expand(self) -> list[str]:
        both = ["pending_setup_intent", "discounts", "schedule.phases.items.price"]
        if self._is_older:
            return ["latest_invoice.payment_intent", *both]
        return ["latest_invoice.confirmation_secret", "latest_invoice.payments", *both]


@reads("a credit note")
def _noted_refunds(obj: Object) -> set[str]:
    """Return the ids of a credit note's refunds; the older generation shows one."""
    return {object_id(given.get("refund")) for given in obj.get("refunds") or [obj]}
