"""The inbox: deliveries are verified, stored once, and handled; by handlers of the host's as by this app's own.

``handles`` registers a function for event types. It is called with an ``Event`` inside of the transaction that stores
the event, returns a ``WebhookState`` or nothing, and raises ``FetchNeeded`` where the provider has to be asked first
(of thin events with ``fetch_related_object``). A host that stores a provider's objects itself says so with
``finds_objects`` and ``handle_arrivals``, so that events which came too early are handled. ``process_event`` is what a
worker calls.

Authors of a provider subclass ``WebhookProvider``. Their handlers find a payment with ``find_payment``, change it with
``change_payment``, and within that bring it up to date with ``apply_snapshot``, or one of its refunds with
``apply_refund``; what else contradicts the payment they report by raising ``SnapshotMismatch``.

Import it where models can be imported, such as the module of handlers that ``AppConfig.ready()`` imports.
"""

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.services.arrivals import finds_objects, handle_arrivals
from django_stripe_gateway.services.payments.refund_sync import apply_refund
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.webhooks.events import Event, clean_id, fetch_related_object
from django_stripe_gateway.webhooks.inbox.process import process_event
from django_stripe_gateway.webhooks.payments import change_payment, find_payment
from django_stripe_gateway.webhooks.providers import Envelope, WebhookProvider
from django_stripe_gateway.webhooks.registry import FetchNeeded, handles

__all__ = [
    "Envelope",
    "Event",
    "FetchNeeded",
    "SnapshotMismatch",
    "WebhookProvider",
    "WebhookState",
    "apply_refund",
    "apply_snapshot",
    "change_payment",
    "clean_id",
    "fetch_related_object",
    "find_payment",
    "finds_objects",
    "handle_arrivals",
    "handles",
    "process_event",
]
