"""Signals, each sent once, after the change was committed.

A receiver that raises is logged and undoes nothing. ``sender`` is the model's class.
"""

from django.dispatch import Signal

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

# payment, refund, amount (Decimal), is_full (bool): a refund has succeeded.
payment_refunded = Signal()

# payment, refund: a refund has failed or was cancelled; the money is with the merchant again.
refund_failed = Signal()

# payment, dispute (dict: dispute_id, status, reason, amount, currency): a dispute was opened, changed or closed.
payment_disputed = Signal()

# payment, event_id, reason: an event contradicts the payment it names; nothing was changed.
payment_mismatch = Signal()

# event (WebhookEvent): an event was accepted and stored for the first time.
webhook_received = Signal()

# event (WebhookEvent): the handlers of an event have run, and their effect is committed.
webhook_processed = Signal()

# event (WebhookEvent), error (str): a handler of an event has failed; event.state says whether it was the last attempt.
webhook_failed = Signal()

# owner, metric, threshold (percent), used, limit, resets_at (datetime or None): use has come to a part of its limit.
usage_threshold_reached = Signal()
