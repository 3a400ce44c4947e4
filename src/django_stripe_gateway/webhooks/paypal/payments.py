"""Find and lock the payment that an event of PayPal's is about, and check that the event may change it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from django_stripe_gateway.choices import CaptureMethod, WebhookState
from django_stripe_gateway.exceptions import GatewayError, OperationInProgress, PaymentDeclined, ProviderUnavailable
from django_stripe_gateway.gateways.paypal.accounts import paypal_account
from django_stripe_gateway.gateways.paypal.objects import custom_id, parent_id
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.payments.returns import complete_return
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.payments import change_payment, find_payment


def change_paypal_payment(event: Event, change: Callable[[AbstractPayment], object]) -> WebhookState:
    """Lock the event's payment and change it; what contradicts the payment changes nothing, and is reported.

    Args:
        change: called with the locked payment; raises ``SnapshotMismatch`` before it has changed anything.
    """

    def verify_and_change(payment: AbstractPayment) -> None:
        if not clean_id(event.object.get("id")):
            raise SnapshotMismatch("id is malformed")
        if paypal_account(payment.variant).livemode != payment.livemode:
            raise SnapshotMismatch("live mode differs")
        change(payment)

    return change_payment(event, find_paypal_payment(event), verify_and_change)


def apply_paypal_snapshot(payment: AbstractPayment, snapshot: PaymentSnapshot, event: Event) -> None:
    """Bring the locked payment to a snapshot out of an event.

    The capture of an authorisation does not say what was asked for, only what was taken; that must be a part of it.
    What an event carries is not kept as the order: it can be older than what is.
    """
    amount = snapshot.amount
    if amount is None and payment.capture_method == CaptureMethod.MANUAL:
        amount = payment.total
    apply_snapshot(payment, dataclasses.replace(snapshot, amount=amount, raw={}), event.origin)


def confirm_approved(payment: AbstractPayment, snapshot: PaymentSnapshot, event: Event) -> None:
    """Take what the customer has approved, unless they are back already and that is done.

    A handler must not call the provider: it asks to be called again, and the money is taken between, by an operation
    of its own that is stored before PayPal is asked. A refusal has been written by then. Whoever else is confirming
    has stored an operation, too, which is settled or reconciled.

    Raises:
        FetchNeeded: the money has still to be taken.
    """
    is_due = (
        answers_of(event).look is None
        and snapshot.status == ProviderStatus.APPROVED
        and snapshot.object_id == payment.transaction_id
        and payment.is_payable
        and get_gateway(payment.variant).confirms_on_return
    )
    if not is_due:
        return

    def confirm() -> str:
        try:
            complete_return(payment=payment, origin=event.origin)
        except (PaymentDeclined, OperationInProgress) as error:
            return error.code
        except ProviderUnavailable:
            raise
        except GatewayError as error:
            return error.code
        return "confirmed"

    raise needs(event, look=confirm)


def find_paypal_payment(event: Event) -> AbstractPayment | None:
    """Return the payment that an event is about, locked, or ``None``.

    By the token, which only our own calls write; else by the ids of the order, of what holds the money, or of a
    payment of the v1 API.
    """
    obj = event.object
    own_id = clean_id(obj.get("id"))
    orders = [parent_id(obj, "orders"), obj.get("parent_payment"), own_id]
    holders = [parent_id(obj, "authorizations"), parent_id(obj, "captures"), obj.get("sale_id"), own_id]
    ids = [("transaction_id", clean_id(order)) for order in orders]
    ids += [("intent_id", clean_id(holder)) for holder in holders]
    return find_payment(clean_id(custom_id(obj).partition(":")[0]), ids)
