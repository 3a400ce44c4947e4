"""Erase what is personal, and keep what bookkeeping must keep: amounts, currencies, dates, numbers and ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import LogEvent, MailState
from django_stripe_gateway.exceptions import OtherAccount, ProviderError, UnsupportedByGateway, WrongState
from django_stripe_gateway.models import (
    CreditNote,
    Customer,
    LimitOverride,
    MailMessage,
    PaymentOperation,
    UsageGrant,
    get_payment_model,
)
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.leaving.close import is_reachable, name_of
from django_stripe_gateway.services.leaving.events import erased_payments, events_about, is_personal, redact_event
from django_stripe_gateway.services.leaving.whose import Account, account_of
from django_stripe_gateway.services.operations.verbs import pending_operations
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.paid_with import PAID_WITH
from django_stripe_gateway.services.subscriptions.deletion import delete_customer
from django_stripe_gateway.services.subscriptions.sync import PERSONAL_OF_INVOICE, lock_customer
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)
from django_stripe_gateway.services.usage.transactions import usage_database
from django_stripe_gateway.transitions import CANCELLABLE

# Of what was asked of the provider: who asked, in which words, and on which pages.
PERSONAL_PARAMS = frozenset(
    "name email digest cleared comment memo metadata description items return_url success_url cancel_url "
    "further".split()
)
WAITING_MAILS = (MailState.PENDING, MailState.SENDING, MailState.DEAD, MailState.UNKNOWN)
PAYMENT_COLUMNS = frozenset({"customer_ip_address", "description", "metadata", "extra_data", *PAID_WITH})
KEPT = {
    "payments": "amounts, currencies, states, dates, order numbers and the provider's ids, for your books",
    "subscriptions": "plans, prices, periods, states and the provider's ids, for your books",
    "invoices": "numbers, amounts, dates and the provider's ids, for your books, with what was given back or disputed",
    "audit trail": "what was done and when, by ids, and the reasons that your people gave, in their words",
    "mails": "which kinds were sent and when, without addresses",
    "operations": "what was asked of the provider, by ids, so that nothing is done twice",
    "events": "their ids, types, amounts and states, so that none is handled twice",
    "usage": "what was used, which invoices rest on; it goes with the owner's row",
    "at the provider": "charges and invoices with the name that stands on them; ask the provider to redact those",
}

GONE = (
    "payments: what is left of an owner who is gone names nobody, so that no one-off payments {} were looked for. Name "
    "the billing e-mail addresses, one after another."
)
BY_HAND = "it is of another account or mode. Delete it there."
UNKNOWN = "If it is of another account, delete it there."


@dataclass(slots=True)
class ErasureReport:
    """What was erased, and what was kept.

    Args:
        erased: how many rows of each kind had something personal that is gone now.
        kept: what stays, and why.
        remaining: what somebody has to do, because this app cannot: mostly at the provider.
    """

    erased: dict[str, int] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=lambda: dict(KEPT))
    remaining: list[str] = field(default_factory=list)


def erase_owner(
    *,
    owner: Any = None,
    customer: Customer | None = None,
    email: str = "",
    dry_run: bool = False,
    origin: Origin = SYSTEM,
) -> ErasureReport:
    """Erase the personal data of an owner, here and at the provider, where the customer is deleted.

    A customer whom this site cannot delete at the provider, because they are of another account or mode, is erased here
    and listed in ``remaining``. The owner's own row is the host's to delete, and columns of the host's own on payments
    are the host's to empty. Run again, it erases what has come since.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``, or a user who has paid without being billed.
        customer: in place of an owner who is gone.
        email: the billing address of one who is gone: payments without an owner that carry it are erased, too.
        dry_run: ``True`` counts, and erases nothing.

    Raises:
        InvalidInput: nobody is named, or an owner and somebody who is gone.
        WrongState: something still runs ("still_running"): call ``close_account`` first.
        ProviderError: the provider refused or failed to delete the customer; nothing else was erased. Run it again.
    """
    account, report = account_of(owner, customer, email), ErasureReport()
    check_nothing_runs(account)
    if not dry_run:
        # First: nobody is charged, or sent anything, by what is left here.
        _delete_at_provider(account, report, origin)
    # Before the payments: those of nobody are found by the address that is erased.
    found = sum(map(is_personal if dry_run else redact_event, list(events_about(account))))
    report.erased |= {
        "customers": _erase_customers(account, dry_run=dry_run),
        "subscriptions": _erase_subscriptions(account, dry_run=dry_run),
        "invoices": _erase_invoices(account, dry_run=dry_run),
        "operations": _erase_operations(account, dry_run=dry_run),
        "cards": _erase_cards(account, dry_run=dry_run),
        # Before the payments, by whose address those of nobody are found.
        "mails": _erase_mails(account, dry_run=dry_run),
        "idempotency keys": _erase_keys(account, dry_run=dry_run),
        "payments": _erase_payments(account, origin, dry_run=dry_run),
        "notes on limits": _erase_notes(account, dry_run=dry_run),
        "events": found,
    }
    if account.is_gone:
        report.remaining.append(GONE.format("other than of this e-mail address" if email else "at all"))
    return report


def check_nothing_runs(account: Account) -> None:
    """Raise ``WrongState`` if somebody is charged, or may still pay, or the provider has not answered."""
    rows = [*account.subscriptions.not_ended(), *account.payments.filter(status__in=CANCELLABLE)]
    running = [name_of(row) for row in rows]
    running += [f"operation {row.pk} ({row.kind})" for row in account.operations.pending()]
    asked = pending_operations(PaymentOperation).filter(payment__in=account.payments.order_by())
    running += [f"operation {row.pk} ({row.kind})" for row in asked]
    if running:
        raise WrongState(
            f"Something still runs: {', '.join(running)}. Call close_account first, capture or release what is "
            "authorised, and give up on what is out of reach.",
            code="still_running",
        )


def _delete_at_provider(account: Account, report: ErasureReport, origin: Origin) -> None:
    for customer in account.customers:
        if not customer.exists_at_provider:
            continue
        if not is_reachable(customer):
            report.remaining.append(f"{name_of(customer)}: {BY_HAND}")
            continue
        try:
            delete_customer(customer, origin)
        except OtherAccount:
            report.remaining.append(f"{name_of(customer)}: {BY_HAND}")
        except UnsupportedByGateway as error:
            report.remaining.append(f"{name_of(customer)}: {error.detail}")
        except ProviderError as error:
            if not error.is_missing:
                raise
            report.remaining.append(f"{name_of(customer)}: the provider does not know it. {UNKNOWN}")


def _erase_customers(account: Account, *, dry_run: bool) -> int:
    pks = list(account.customers.values_list("pk", flat=True))
    for pk in [] if dry_run else pks:
        _erase_customer(pk)
    return len(pks)


@retry_on_deadlock
def _erase_customer(customer_pk: int) -> None:
    with money_transaction():
        customer = lock_customer(customer_pk)
        customer.details_digest = customer.default_payment_method = ""
        customer.details_changed = None
        customer.erased = timezone.now()
        customer.save(using=payments_database())


def _erase_subscriptions(account: Account, *, dry_run: bool) -> int:
    rows = account.subscriptions.exclude(metadata={}, cancellation_comment="").order_by()
    if dry_run:
        return rows.count()
    return rows.select_related(None).update(metadata={}, cancellation_comment="")


def _erase_invoices(account: Account, *, dry_run: bool) -> int:
    """Drop the addresses of pages that show a name to whoever has them, also those of credit notes, and their texts."""
    emptied = dict.fromkeys(PERSONAL_OF_INVOICE, "")
    rows = account.invoices.exclude(**emptied).order_by()
    notes = CreditNote.objects.using(payments_database()).filter(invoice__in=account.invoices.order_by())
    notes = notes.exclude(memo="", pdf_url="").order_by()
    if dry_run:
        return int(rows.count() + notes.count())
    # By their keys: some databases update no table that a condition joins.
    pks = list(notes.values_list("pk", flat=True))
    return int(
        rows.update(**emptied)
        + CreditNote.objects.using(payments_database()).filter(pk__in=pks).update(memo="", pdf_url="")
    )


def personal_columns(payment: type[Any]) -> dict[str, Any]:
    """Return the columns of payments that hold personal data, with what they are emptied to."""
    found: dict[str, Any] = {}
    for column in payment._meta.concrete_fields:
        if column.name.startswith("billing_") or column.name in PAYMENT_COLUMNS:
            found[column.name] = None if column.null else {} if column.name == "metadata" else ""
    return found


def _erase_payments(account: Account, origin: Origin, *, dry_run: bool) -> int:
    emptied, count = personal_columns(get_payment_model()), 0
    marked = set(erased_payments().values_list("pk", flat=True))
    for payment in account.payments:
        if payment.pk not in marked and not dry_run:
            write_log(payment, LogEvent.ERASED, origin)
        if any(getattr(payment, name) != value for name, value in emptied.items()):
            count += 1
            if not dry_run:
                _erase_payment(payment.pk, emptied)
    return count


@retry_on_deadlock
def _erase_payment(payment_pk: Any, emptied: Mapping[str, Any]) -> None:
    with money_transaction():
        payment = lock_payment(payment_pk)
        for name, value in emptied.items():
            setattr(payment, name, value)
        payment.save(update_fields=[*emptied, "modified"])


def _erase_operations(account: Account, *, dry_run: bool) -> int:
    using = payments_database()
    asked = PaymentOperation.objects.using(using).filter(payment__in=account.payments.order_by())
    count = 0
    for rows in (account.operations, asked):
        for operation in rows:
            kept = {name: value for name, value in operation.params.items() if name not in PERSONAL_PARAMS}
            if kept != operation.params:
                count += 1
                if not dry_run:
                    operation.params = kept
                    operation.save(using=using, update_fields=["params"])
    return count


def _erase_keys(account: Account, *, dry_run: bool) -> int:
    return int(account.keys.count() if dry_run else account.keys.delete()[0])


def _erase_cards(account: Account, *, dry_run: bool) -> int:
    return int(account.cards.count() if dry_run else account.cards.delete()[0])


def _erase_mails(account: Account, *, dry_run: bool) -> int:
    """Drop addresses, and what waits to be sent: nobody is written to any more."""
    pks = list(account.mails.values_list("pk", flat=True))
    rows = MailMessage.objects.using(payments_database()).filter(pk__in=pks)
    waiting, sent = rows.filter(state__in=WAITING_MAILS), rows.exclude(recipient="")
    if dry_run:
        return (waiting | sent).distinct().count()
    count = waiting.update(state=MailState.SKIPPED, recipient="", error="the personal data was erased")
    return count + sent.update(recipient="")


def _erase_notes(account: Account, *, dry_run: bool) -> int:
    """Empty what staff have written beside an owner's limits."""
    count, owners = 0, [row.owner_id for row in account.customers if row.owner_id is not None]
    for model in (LimitOverride, UsageGrant):
        rows = model._default_manager.using(usage_database()).filter(owner_id__in=owners).exclude(note="")
        count += rows.count() if dry_run else rows.update(note="")
    return count
