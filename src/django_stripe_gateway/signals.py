"""Signals, each sent once, after the change was committed.

A receiver that raises is logged and undoes nothing. ``sender`` is the model's class.
"""

from django.dispatch import Signal

__all__ = [
    "card_expiring",
    "connected_account_updated",
    "credit_note_voided",
    "customer_deleted",
    "dispute_closed",
    "invoice_credited",
    "invoice_disputed",
    "invoice_refund_failed",
    "invoice_refunded",
    "payment_action_required",
    "payment_cancelled",
    "payment_captured",
    "payment_confirmed",
    "payment_created",
    "payment_disputed",
    "payment_failed",
    "payment_mismatch",
    "payment_preauthorized",
    "payment_refunded",
    "refund_failed",
    "subscription_action_required",
    "subscription_activated",
    "subscription_cancelled",
    "subscription_changed",
    "subscription_ended",
    "subscription_expired",
    "subscription_items_changed",
    "subscription_past_due",
    "subscription_paused",
    "subscription_payment_failed",
    "subscription_renewal_coming",
    "subscription_renewed",
    "subscription_resumed",
    "subscription_trial_ending",
    "subscription_unpaused",
    "usage_threshold_reached",
    "webhook_failed",
    "webhook_processed",
    "webhook_received",
]

# payment: a payment was stored, before the provider was asked for anything.
payment_created = Signal()

# payment: the money of a payment has been taken.
payment_confirmed = Signal()

# payment: a payment is authorised and waits for its capture.
payment_preauthorized = Signal()

# payment, amount (Decimal): an authorised payment was captured; payment_confirmed is sent as well.
payment_captured = Signal()

# payment: a waiting payment was cancelled or an authorisation released.
payment_cancelled = Signal()

# payment, code, decline_code, message: an attempt failed or the payment was rejected.
payment_failed = Signal()

# payment: it was charged without its customer, whose bank wants to hear from them; get_confirmation_url() leads there.
payment_action_required = Signal()

# payment, refund, amount (Decimal), is_full (bool): a refund has succeeded.
payment_refunded = Signal()

# payment, refund: a refund has failed or was cancelled; the money is with the merchant again.
refund_failed = Signal()

# payment, dispute (dict: dispute_id, status, reason, amount, currency): a dispute was opened, changed or closed.
payment_disputed = Signal()

# dispute (Dispute), is_won (bool), payment, invoice: a dispute of one of them was decided, or decided anew.
dispute_closed = Signal()

# invoice, refund (InvoiceRefund), amount (Decimal), is_full (bool): a refund of an invoice has succeeded.
invoice_refunded = Signal()

# invoice, refund (InvoiceRefund): it has failed or was cancelled; the money is with the seller again.
invoice_refund_failed = Signal()

# invoice, credit_note (CreditNote), amount (Decimal): a credit note was issued.
invoice_credited = Signal()

# invoice, credit_note (CreditNote): a credit note was taken back.
credit_note_voided = Signal()

# invoice, dispute (dict as payment_disputed has it): a dispute of an invoice's payment was opened, changed or closed.
invoice_disputed = Signal()

# payment, event_id, reason, unexpected (a row or None): an event, or a look, contradicts the payment that it names.
payment_mismatch = Signal()

# account (ConnectedAccount), changed (names of its fields): a seller's account was made, is another, or has left.
connected_account_updated = Signal()

# event (WebhookEvent): an event was accepted and stored for the first time.
webhook_received = Signal()

# event (WebhookEvent): the handlers of an event have run, and their effect is committed.
webhook_processed = Signal()

# event (WebhookEvent), error (str): a handler of an event has failed; event.state says whether it was the last attempt.
webhook_failed = Signal()

# subscription: a subscription has begun to give what its plan promises: paid for the first time, or in trial.
subscription_activated = Signal()

# subscription, invoice: a further period has been paid.
subscription_renewed = Signal()

# subscription, renews_at (datetime), amount (Decimal), currency: a further period will be charged.
subscription_renewal_coming = Signal()

# subscription, previous_pricing (PlanPricing or None), previous_quantity: plan, price or quantity is another.
subscription_changed = Signal()

# subscription, added, changed, removed (lists of SubscriptionItem): what it is charged beside its plan is another.
subscription_items_changed = Signal()

# subscription: its trial ends soon (Stripe tells three days before).
subscription_trial_ending = Signal()

# subscription, invoice: a payment has failed; Stripe tries again as its settings say.
subscription_payment_failed = Signal()

# subscription, invoice: the customer has to authenticate before an invoice can be paid.
subscription_action_required = Signal()

# subscription: it is past due.
subscription_past_due = Signal()

# subscription: it was cancelled and ends with its period, or has ended at once; or an agreed end's last period began.
subscription_cancelled = Signal()

# subscription: its cancellation was taken back.
subscription_resumed = Signal()

# subscription: it is paused, or its collection is.
subscription_paused = Signal()

# subscription: its pause is over.
subscription_unpaused = Signal()

# subscription: it is over.
subscription_ended = Signal()

# subscription: its first payment was never made.
subscription_expired = Signal()

# customer, card (KnownCard), expires (date), subscriptions (list): what they are charged on expires soon.
card_expiring = Signal()

# customer: the customer was deleted at the provider.
customer_deleted = Signal()

# owner, metric, threshold (percent), used, limit, resets_at (datetime or None): use has come to a part of its limit.
usage_threshold_reached = Signal()
