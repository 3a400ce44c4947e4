"""Find and lock the payment that an event of Stripe's is about, and check that the event may change it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django_stripe_gateway.choices import CaptureMethod, WebhookState
from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.payment_objects import object_id, payment_snapshot
from django_stripe_gateway.gateways.values import Failure, PaymentRef, PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment, Invoice
from django_stripe_gateway.services.payments.sync import apply_snapshot, is_of_earlier_page
from django_stripe_gateway.services.payments.unexpected import SECOND_TIME, TAKEN, contradiction
from django_stripe_gateway.services.snapshots import PageDecides, SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.payments import change_payment, find_payment
from django_stripe_gateway.webhooks.stripe.foreign import find_by_intent, state_without_payment
from django_stripe_gateway.webhooks.stripe.invoice_money import change_invoice_of_payment
from django_stripe_gateway.webhooks.stripe.variants import GONE, is_gone, seller_of

logger = logging.getLogger(__name__)

# Its mark proves nothing there, and what we have made for it is not known yet.
PAGE_AWAITED = "about a payment on a seller's account whose page is not known yet"


def apply_payment_event(event: Event, kind: str, *, failure: Failure | None = None) -> WebhookState:
    """Bring the payment to the state of the session or intent in ``event``.

    Args:
        kind: the object that events of this type are about.
        failure: the event's type says that the object failed for good, which the object itself does not.
    """

    def apply(payment: AbstractPayment) -> None:
        said, look = payment_snapshot(event.object), answers_of(event).look
        snapshot = said
        if failure is not None:
            snapshot = dataclasses.replace(snapshot, status=ProviderStatus.REJECTED, failure=failure)
        elif look is not None:
            _verify_same_money(payment, snapshot, look)
            snapshot = look
        elif (
            snapshot.is_session
            and snapshot.status == ProviderStatus.PROCESSING
            and payment.capture_method == CaptureMethod.MANUAL
            and payment.is_payable
        ):
            # A completed session that is authorised says "unpaid", as that of a slow bank debit does.
            raise needs(event, look=lambda: _look_up(payment, snapshot))
        try:
            apply_snapshot(payment, snapshot, event.origin)
        except PageDecides:
            if look is not None or not payment.transaction_id or payment.transaction_id == payment.intent_id:
                raise
            # Taxes or delivery were added on the page, which the intent does not itemise.
            raise needs(event, look=lambda: _look_up(payment, snapshot)) from None
        if look is not None and payment.seller_account and not said.is_session:
            # The page has named it; a failure that the page goes on after, it does not tell.
            apply_snapshot(payment, said, event.origin)

    return change_stripe_payment(event, kind, apply)


def _look_up(payment: AbstractPayment, snapshot: PaymentSnapshot) -> PaymentSnapshot:
    """Ask for the session with its intent; what the provider does not say stays an open question."""
    object_id = snapshot.object_id if snapshot.is_session else payment.transaction_id or snapshot.object_id
    ref = PaymentRef(object_id, snapshot.intent_id, payment.currency)
    try:
        return get_gateway(payment.variant).retrieve_payment(ref)
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        logger.warning("The session of payment %s could not be looked up: %s", payment.pk, error.code)
        return snapshot


def _verify_same_money(payment: AbstractPayment, said: PaymentSnapshot, page: PaymentSnapshot) -> None:
    """Let the payment's page not answer for what was paid on another one."""
    if said.is_session or page.intent_id == said.intent_id:
        return
    if said.status in TAKEN and (page.intent_id or is_of_earlier_page(payment, said)):
        raise contradiction(payment, said, "intent differs", SECOND_TIME)
    if payment.seller_account:
        raise SnapshotMismatch("intent differs") if said.status in TAKEN else SupersededAttempt(said.object_id)


def change_stripe_payment(
    event: Event,
    kind: str,
    change: Callable[[AbstractPayment], object],
    of_invoice: Callable[[Invoice], object] | None = None,
) -> WebhookState:
    """Lock the event's payment and change it; what contradicts the payment changes nothing, and is reported.

    Args:
        kind: the object that events of this type are about.
        change: called with the locked payment; raises ``SnapshotMismatch`` before it has changed anything.
        of_invoice: called instead where there is no payment, with the locked invoice that the event is about.
    """

    def verify_and_change(payment: AbstractPayment) -> None:
        if event.object.get("object") != kind:
            raise SnapshotMismatch(f"the event is not about a {kind}")
        for name in ("id", "payment_intent"):
            value = event.object.get(name)
            if value is not None and not clean_id(object_id(value)):
                raise SnapshotMismatch(f"{name} is malformed")
        for livemode in (event.livemode, event.object.get("livemode")):
            if livemode is not None and livemode != payment.livemode:
                raise SnapshotMismatch("live mode differs")
        if not payment.is_of_configured_account:
            raise SnapshotMismatch("the payment is of another account or mode than the one that is configured")
        change(payment)

    if is_gone(event):
        return event.because(WebhookState.IGNORED, GONE)
    payment = find_stripe_payment(event.object, seller_of(event)) or find_by_intent(event)
    if payment is None:
        state = WebhookState.UNMATCHED
        if of_invoice is not None and not seller_of(event):
            state = change_invoice_of_payment(event, kind, of_invoice)
        return state_without_payment(event) if state == WebhookState.UNMATCHED else state
    if seller_of(event) and not payment.transaction_id:
        return event.because(WebhookState.UNMATCHED, PAGE_AWAITED)
    return change_payment(event, payment, verify_and_change)


def find_stripe_payment(obj: Mapping[str, Any], account_id: str = "") -> AbstractPayment | None:
    """Return the payment that an object belongs to, locked, or ``None``.

    By the token, else by the ids of intent and session. An id of ours alone, such as another system's
    ``metadata.payment_id`` on a shared account, never matches.

    Args:
        account_id: see ``find_payment``.
    """
    own_id, kind = clean_id(obj.get("id")), obj.get("object")
    intent_id = own_id if kind == "payment_intent" else clean_id(object_id(obj.get("payment_intent")))
    session_id = own_id if kind == "checkout.session" else ""
    metadata = obj.get("metadata")
    token = clean_id(metadata.get("token")) if isinstance(metadata, Mapping) else ""
    if not token and kind == "checkout.session":
        token = clean_id(obj.get("client_reference_id"))
    ids = [("intent_id", intent_id), ("transaction_id", session_id)]
    return find_payment(token, ids, of_unexpected=kind in ("refund", "charge"), account_id=account_id)
