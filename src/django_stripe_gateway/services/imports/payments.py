"""Bring one-off payments with what was captured and refunded."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.utils.crypto import salted_hmac

from django_stripe_gateway.choices import CaptureMethod, LogEvent
from django_stripe_gateway.gateways.account_reading import AccountReader, ListedPayment
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import (
    AbstractPayment,
    Customer,
    PaymentGatewayConfig,
    UnexpectedPayment,
    get_payment_model,
)
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.accounts import columns_of, prove_payment
from django_stripe_gateway.services.audit import without_signals, write_log
from django_stripe_gateway.services.imports.owners import owner_model
from django_stripe_gateway.services.imports.reading import Bringer, Result, bring
from django_stripe_gateway.services.imports.results import IMPORT, Imported, Outcome
from django_stripe_gateway.services.payments.refund_sync import apply_refund, in_order
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)

KIND = "payments"
SALT = "django_stripe_gateway.imported_payment"


class Payments(Bringer[ListedPayment]):
    """With what was given back of each."""

    kind = KIND

    def name(self, item: ListedPayment) -> tuple[str, str]:
        """Return the provider's id of what it was made with, and its status."""
        return item.snapshot.object_id, item.snapshot.status

    def is_known(self, item: ListedPayment) -> bool:
        """Return whether there is a row of it."""
        return _find(item) is not None

    def take(self, item: ListedPayment, began: datetime, customer_pk: int | None) -> Result:
        """Write it with its refunds, if the row lacks some."""
        known = _find(item)
        lacks_refunds = item.refunded > (ZERO if known is None else known.refunded_amount)
        refunds = self.reader.refunds(item.snapshot) if lacks_refunds else ()
        values = {"livemode": self.reader.livemode, "is_told": self.reader.can_ask}
        outcome = take_payment(item, refunds, self.variant, customer_pk, **values)
        return outcome, item.snapshot.status


def import_payments(
    reader: AccountReader, variant: str, customers: Mapping[str, int], since: datetime, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring what was paid, or is held or under way, and yield what became of each.

    A payment of a customer who has no row is left out, so that a later run can bring it with its owner.

    Args:
        customers: keys of the rows of those who are known here, by the provider's ids.
    """
    known_and_guests = {**customers, "": None}
    return bring(Payments(reader, variant), reader.payments(since), known_and_guests, dry_run=dry_run)


def take_payment(
    item: ListedPayment,
    refunds: Sequence[RefundSnapshot],
    variant: str,
    customer_pk: int | None,
    *,
    livemode: bool,
    is_told: bool = True,
) -> Outcome:
    """Write a payment as the provider shows it; its row is made if there is none.

    Args:
        is_told: the provider itself has said it now, in the account of the key.

    Raises:
        SnapshotMismatch: it, or one of its refunds, contradicts the row.
    """
    try:
        return _take(item, refunds, variant, customer_pk, livemode, is_told)
    except IntegrityError:
        # Another import was faster: the token that follows from the object stands once.
        return _take(item, refunds, variant, customer_pk, livemode, is_told)


@retry_on_deadlock
def _take(
    item: ListedPayment,
    refunds: Sequence[RefundSnapshot],
    variant: str,
    customer_pk: int | None,
    livemode: bool,
    is_told: bool,
) -> Outcome:
    known = _find(item)
    with money_transaction(), ExitStack() as inside:
        if known is None:
            inside.enter_context(without_signals())
            payment = _add(item, variant, customer_pk, livemode)
        else:
            payment = lock_payment(known.pk)
        apply_snapshot(payment, item.snapshot, IMPORT)
        if is_told:
            prove_payment(payment)
        for refund in in_order(refunds):
            apply_refund(payment, refund, IMPORT)
    return Outcome.NEW if known is None else Outcome.KNOWN


def _find(item: ListedPayment) -> AbstractPayment | None:
    """Return the payment that an object is: by the ids of what holds its money and of its page, or by our token.

    Money that came for a payment and was not expected is that one's, whatever was decided about it.
    """
    rows = get_payment_model()._default_manager.using(payments_database())
    snapshot, token = item.snapshot, str(item.metadata.get("token", ""))
    for column, value in (("intent_id", snapshot.intent_id), ("transaction_id", snapshot.object_id)):
        found: AbstractPayment | None = rows.filter(**{column: value}).first() if value else None
        if found is not None:
            return found
    if snapshot.intent_id:
        beside = UnexpectedPayment.objects.using(payments_database()).filter(intent_id=snapshot.intent_id)
        owner: AbstractPayment | None = rows.filter(pk__in=beside.values("payment")).first()
        if owner is not None:
            return owner
    hinted: AbstractPayment | None = rows.filter(token=token).first() if 0 < len(token) <= 36 else None
    # Whoever copies our metadata copies the token; what has other ids is another payment.
    is_free = hinted is not None and hinted.transaction_id in ("", snapshot.object_id) and not hinted.intent_id
    return hinted if is_free else None


def _add(item: ListedPayment, variant: str, customer_pk: int | None, livemode: bool) -> AbstractPayment:
    snapshot = item.snapshot
    if snapshot.amount is None or not snapshot.currency:
        raise SnapshotMismatch("amount or currency is missing")
    payment: AbstractPayment = get_payment_model()(
        owner_id=_payer(customer_pk),
        gateway=gateway_name(variant),
        variant=variant,
        total=snapshot.amount,
        currency=snapshot.currency,
        description=item.description[:255],
        metadata=dict(item.metadata),
        capture_method=CaptureMethod.MANUAL if item.is_manual else CaptureMethod.AUTOMATIC,
        livemode=livemode if snapshot.livemode is None else snapshot.livemode,
        account_id=columns_of(variant).get("account_id", ""),
        token=token_of(variant, snapshot.object_id),
    )
    payment.save(using=payments_database(), force_insert=True)
    date_back(payment, item.created)
    amount = format_amount(payment.total, payment.currency)
    write_log(
        payment, LogEvent.CREATED, IMPORT, "found at the provider", {"amount": amount, "currency": payment.currency}
    )
    return payment


def gateway_name(variant: str) -> str:
    """Return the name of the gateway through which a variant's payments are made, empty if there is none."""
    rows = PaymentGatewayConfig.objects.using(payments_database()).filter(variant=variant).order_by("pk")
    return str(rows.values_list("name", flat=True).first() or "")


def date_back(payment: AbstractPayment, created: datetime | None) -> None:
    """Let a new row say when the payment was made."""
    if created is not None:
        rows = get_payment_model()._default_manager.using(payments_database()).filter(pk=payment.pk)
        rows.update(created=created)
        payment.created = created


def token_of(variant: str, object_id: str) -> str:
    """Return a token that nobody can guess, and that is the same whoever brings the object."""
    return str(uuid.UUID(bytes=salted_hmac(SALT, f"{variant}:{object_id}", algorithm="sha256").digest()[:16]))


def _payer(customer_pk: int | None) -> Any:
    """Return the key of the user who paid, ``None`` for a guest, and where teams are billed."""
    if customer_pk is None or owner_model() is not get_user_model():
        return None
    rows = Customer.objects.using(payments_database()).filter(pk=customer_pk)
    return rows.values_list("owner_id", flat=True).first()
