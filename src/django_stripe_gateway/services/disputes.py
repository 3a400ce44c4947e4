"""Ask for disputes of which nothing was heard: their events may be lost, and evidence has a term."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from django_stripe_gateway.accounts import configured_account
from django_stripe_gateway.choices import DISPUTES_LOST, DISPUTES_WON
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError, UnsupportedByGateway
from django_stripe_gateway.gateways.entries import why_unknown
from django_stripe_gateway.gateways.registry import get_billing_gateway, get_gateway, is_supported_variant
from django_stripe_gateway.gateways.values import DisputeSnapshot
from django_stripe_gateway.models import (
    AbstractPayment,
    Customer,
    Dispute,
    Invoice,
    get_payment_model,
)
from django_stripe_gateway.models.connected_accounts import of_sellers
from django_stripe_gateway.services.connect.direct import has_left
from django_stripe_gateway.services.operations.reconcile import Reconciled, failure_of
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.disputes import apply_dispute
from django_stripe_gateway.services.payments.unexpected import payment_of_intent
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.disputes import apply_invoice_dispute
from django_stripe_gateway.services.subscriptions.sync import lock_known_invoice
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)

# How long ago a dispute may have been opened of which nobody here has heard.
LOOKED_BACK = timedelta(days=30)
# How long after a payment most banks take its dispute; every seller is one question more.
DISPUTABLE = timedelta(days=120)
DECIDED = (*DISPUTES_WON, *DISPUTES_LOST)

Subject = AbstractPayment | Invoice


def reconcile_disputes(*, older_than: timedelta, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Ask each account for its disputes of the last weeks, and about older ones that are open here.

    Nothing is asked before the result is iterated over. An error of the provider is an outcome, and never raised.

    Args:
        older_than: how long an event may take before it counts as lost.
    """
    by_key: dict[str, list[str]] = {}
    for variant in gateway_settings.variants:
        account = configured_account(variant) if is_supported_variant(variant) else None
        if account is not None:
            by_key.setdefault(account.key_digest, []).append(variant)
    for variants in (*by_key.values(), *_sellers()):
        if not _has_been_paid(variants):
            continue
        try:
            yield from _reconcile_account(variants, older_than, origin)
        except GatewayError as error:
            if has_left(variants[0], error):
                yield Reconciled(f"disputes of {variants[0]}", "refused", why_unknown(variants[0]))
            else:
                yield Reconciled(f"disputes of {variants[0]}", failure_of(error), error.detail)


def _sellers() -> list[list[str]]:
    """Return the variants of connected sellers on whose accounts something was paid that may still be disputed."""
    if not gateway_settings.variants.platforms():
        return []
    payments = get_payment_model()._default_manager.using(payments_database()).filter(of_sellers())
    paid = payments.exclude(intent_id="").filter(created__gt=timezone.now() - DISPUTABLE)
    return [[variant] for variant in paid.order_by("variant").values_list("variant", flat=True).distinct()]


def _has_been_paid(variants: Sequence[str]) -> bool:
    """Return whether there is anything here that a dispute could be of."""
    using = payments_database()
    payments = get_payment_model()._default_manager.using(using).exclude(intent_id="").filter(variant__in=variants)
    return payments.exists() or Invoice.objects.using(using).filter(variant__in=variants).exists()


def _reconcile_account(variants: Sequence[str], older_than: timedelta, origin: Origin) -> Iterator[Reconciled]:
    variant = variants[0]
    began, gateway = timezone.now(), get_gateway(variant)
    found = list(gateway.list_disputes(began - LOOKED_BACK))
    rows = Dispute.objects.using(payments_database()).of_configured_account()
    listed = {snapshot.dispute_id for snapshot in found}
    open_rows = Dispute.objects.using(payments_database()).open().filter(pk__in=rows, variant__in=variants)
    open_rows = open_rows.filter(created__lt=began - older_than)
    for provider_id in open_rows.exclude(provider_id__in=listed).values_list("provider_id", flat=True):
        found.append(gateway.retrieve_dispute(provider_id))
    known = dict(rows.filter(provider_id__in=[one.dispute_id for one in found]).values_list("provider_id", "status"))
    for snapshot in found:
        is_settling = snapshot.opened is not None and snapshot.opened > began - older_than
        if known.get(snapshot.dispute_id) == snapshot.status or is_settling:
            continue
        subject = _subject_of(variant, snapshot)
        if subject is None:
            # Another system's, on the same account.
            continue
        name = f"dispute {snapshot.dispute_id}"
        try:
            write_looked_up(subject, snapshot, began, origin)
        except SnapshotMismatch as mismatch:
            yield Reconciled(name, "unclear", str(mismatch))
        else:
            yield Reconciled(name, "changed", f"{known.get(snapshot.dispute_id, 'unknown')} → {snapshot.status}")


def _subject_of(variant: str, snapshot: DisputeSnapshot) -> Subject | None:
    """Return the payment or the invoice that a dispute is about, ``None`` if it is of neither.

    Raises:
        GatewayError: the provider could not be asked which invoice it is.
    """
    row = Dispute.objects.using(payments_database()).filter(provider_id=snapshot.dispute_id).first()
    if row is not None:
        subject: Subject = row.subject
        return subject
    if not snapshot.intent_id:
        return None
    payment = payment_of_intent(snapshot.intent_id)
    if payment is not None:
        return payment
    invoices = Invoice.objects.using(payments_database()).of_configured_account()
    invoice = invoices.filter(intent_id=snapshot.intent_id).first()
    is_billing = Customer.objects.using(payments_database()).of_configured_account().exists()
    if invoice is None and is_billing and snapshot.status not in DECIDED:
        try:
            named = get_billing_gateway(variant).invoice_of_intent(snapshot.intent_id)
        except UnsupportedByGateway:
            return None
        invoice = None if named is None else invoices.filter(provider_id=named.invoice_id).first()
    return invoice


@retry_on_deadlock
def write_looked_up(subject: Subject, snapshot: DisputeSnapshot, looked_at: datetime, origin: Origin) -> None:
    """Write a dispute as the provider was asked for it, unless something was heard of it since.

    Raises:
        SnapshotMismatch: it contradicts what it is about.
    """
    with money_transaction():
        locked = _lock(subject)
        rows = Dispute.objects.using(payments_database())
        if rows.filter(provider_id=snapshot.dispute_id, modified__gt=looked_at).exists():
            return
        if isinstance(locked, Invoice):
            apply_invoice_dispute(locked, snapshot, origin, looked_at=looked_at)
        else:
            apply_dispute(locked, snapshot, origin, looked_at=looked_at)


def _lock(subject: Subject) -> Subject:
    return lock_known_invoice(subject) if isinstance(subject, Invoice) else lock_payment(subject.pk)
