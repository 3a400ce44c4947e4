"""What a host calls to take one-off payments, authorise them, capture, release and give back.

``create_payment`` stores a payment and starts it at its gateway. Where it has a ``gateway_url`` the customer pays on
that page, and comes back through ``complete_return``; where it has a ``client_secret`` the browser pays with
Stripe.js, or the server with ``confirm_payment``. ``start_payment`` does the same for a payment that the host has
saved itself, and makes a new attempt after one that failed. ``charge`` takes what a customer has saved, without them;
should their bank want to hear from them, ``payment.get_confirmation_url()`` leads them back. What is authorised is
taken by ``capture_payment``, or released by ``cancel_payment``, which also ends what nobody has paid.
``refund_payment`` gives back, as often as something is left. What came in another amount than expected, or twice, is
taken by ``accept_unexpected`` or given back by ``refund_unexpected``. ``sync_payment`` asks the provider how a payment
stands. ``reconcile_operations`` and ``reconcile_payments`` are what ``manage.py reconcile`` runs.

Every verb takes keyword arguments only, makes one change and returns the row as it is afterwards:

- amounts are ``Decimal``, in the units of the payment's currency;
- ``idempotency_key`` is a key of the host's: a repeat carries on with, or returns, what the first call did;
- ``origin`` says in the audit trail who asked, such as ``Origin(actor="user:42")``;
- what goes wrong is a ``GatewayError`` of ``django_stripe_gateway.exceptions``.

They commit what they are about to do before they ask the provider, and raise ``RuntimeError`` inside of ``atomic()``.

>>> from decimal import Decimal
>>> from django_stripe_gateway.payments import create_payment
>>> create_payment(owner=user, gateway="Stripe", amount=Decimal("10.00"), currency="USD")  # doctest: +SKIP
<Payment: …>
"""

from django_stripe_gateway.money import format_amount, from_minor_units, to_minor_units
from django_stripe_gateway.services.connect.accounts import create_connected_account, onboarding_url
from django_stripe_gateway.services.connect.sync import sync_connected_account
from django_stripe_gateway.services.giving_up import give_up_operation
from django_stripe_gateway.services.operations.reconcile import Reconciled
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.charge import charge
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.create import create_payment, start_payment
from django_stripe_gateway.services.payments.decide import accept_unexpected, refund_unexpected
from django_stripe_gateway.services.payments.fees import fetch_fees
from django_stripe_gateway.services.payments.give_up import give_up_payment
from django_stripe_gateway.services.payments.guests import claim_payment, guest_token
from django_stripe_gateway.services.payments.reconcile import reconcile_operations, reconcile_payments
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.payments.returns import complete_return

__all__ = [
    "Origin",
    "Reconciled",
    "accept_unexpected",
    "cancel_payment",
    "capture_payment",
    "charge",
    "claim_payment",
    "complete_return",
    "confirm_payment",
    "create_connected_account",
    "create_payment",
    "fetch_fees",
    "format_amount",
    "from_minor_units",
    "give_up_operation",
    "give_up_payment",
    "guest_token",
    "onboarding_url",
    "reconcile_operations",
    "reconcile_payments",
    "refund_payment",
    "refund_unexpected",
    "start_payment",
    "sync_connected_account",
    "sync_payment",
    "to_minor_units",
]
