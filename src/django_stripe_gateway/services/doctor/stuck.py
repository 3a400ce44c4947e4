"""What waits for something that does not come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from django_stripe_gateway.choices import MailState, MeterEventState, WebhookState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import (
    BillingOperation,
    CatalogueOperation,
    Customer,
    MailMessage,
    MeterEvent,
    PaymentOperation,
    Subscription,
    WebhookEvent,
    get_payment_model,
)
from django_stripe_gateway.models.provider_accounts import current_account
from django_stripe_gateway.services.doctor.findings import Finding
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAYABLE

# ``reconcile`` runs every few minutes: what is older was not settled by it.
LONG = timedelta(hours=1)
WHOSE = "nobody knows whose the key is"
NAME_IT = "STRIPE_GATEWAY_ACCOUNT_ID, or the variant's option account_id"
# Bank debits are answered within two weeks and a few days.
WAITED = timedelta(days=20)
METER_EVENTS = {
    MeterEventState.REFUSED: "refused: this use is not billed",
    MeterEventState.UNCLEAR: "unclear: nobody knows whether this use is billed",
}
MAILS = {
    MailState.DEAD: "dead: no server has taken them",
    MailState.UNKNOWN: "unknown: nobody knows whether they were sent",
}
OPERATIONS: dict[str, type[Any]] = {
    "payment operations": PaymentOperation,
    "billing operations": BillingOperation,
    "catalogue operations": CatalogueOperation,
}


def pending_operations(offline: bool) -> Iterator[Finding]:
    """Count the operations whose outcome nobody has heard of for long."""
    for name, table in OPERATIONS.items():
        rows = table.objects.using(payments_database()).abandoned(timezone.now() - LONG)
        for kind, count in rows.order_by().values_list("kind").annotate(count=Count("pk")).order_by("kind"):
            remedy = f"manage.py reconcile; then admin, {name}: “Give up on selected pending operations”"
            yield Finding(name, count, f"{kind}: no answer for more than an hour", remedy)


def webhook_events(offline: bool) -> Iterator[Finding]:
    """Count the events that were not handled."""
    stats = WebhookEvent.objects.using(payments_database()).stats()
    if stats.failed:
        yield Finding("webhook events", stats.failed, "failed: they are tried again", "manage.py process_webhooks")
    if stats.dead:
        remedy = "admin, webhook events: read the error; manage.py replay_webhooks --state dead"
        yield Finding("webhook events", stats.dead, "dead: given up after too many attempts", remedy)
    recent = WebhookEvent.objects.using(payments_database()).filter(received__gt=timezone.now() - WAITED)
    mismatched = recent.filter(state=WebhookState.MISMATCHED).count()
    if mismatched:
        why = "mismatched: they contradict what is here, or are of another account"
        remedy = "admin, webhook events; the audit trail of what they are about says why"
        yield Finding("webhook events", mismatched, why, remedy)
    if stats.unmatched:
        why = "unmatched: about what this database does not know"
        remedy = "manage.py replay_webhooks --state unmatched, if it is known by now"
        yield Finding("webhook events", stats.unmatched, why, remedy, is_problem=False)


def lost_subscriptions(offline: bool) -> Iterator[Finding]:
    """Count the subscriptions that their provider does not know any more."""
    rows = Subscription.objects.using(payments_database()).not_ended().of_configured_account()
    lost, missing = rows.filter(lost__isnull=False), rows.filter(lost=None, missing_since__isnull=False)
    ask = "admin, subscriptions: “Ask the provider about selected subscriptions”"
    give_up = f"{ask}; if it does not know them with the right key, “Give up on selected subscriptions”"
    for found, why, remedy in (
        (lost, "unknown at the provider: they entitle nobody", give_up),
        (missing, "the provider has said that it does not know them", f"{ask}, an hour later"),
    ):
        for variant, count in found.order_by().values_list("variant").annotate(count=Count("pk")).order_by("variant"):
            account = current_account(variant)
            if account is not None and not account.account_id:
                # The provider says the same of everything to whoever has the key of another account.
                yield Finding("subscriptions", count, f"{why}, and {WHOSE}", f"{NAME_IT}; then {remedy}", variant)
            else:
                yield Finding("subscriptions", count, why, remedy, variant)


def unknown_prices(offline: bool) -> Iterator[Finding]:
    """Count the running subscriptions of which nobody knows what plan they are."""
    count = Subscription.objects.using(payments_database()).valid().filter(plan=None).count()
    if count:
        yield Finding("subscriptions", count, "their price is no plan's here", "manage.py sync_plans --pull")


def missing_owners(offline: bool) -> Iterator[Finding]:
    """Count the customers that are charged, or may be, though their owner is gone."""
    count = Customer.objects.using(payments_database()).orphaned().count()
    if count:
        remedy = "manage.py close_account --customer ID; manage.py reconcile names them"
        is_problem = gateway_settings.deleted_owners != "keep"
        yield Finding("customers", count, "their owner is gone, and they are charged", remedy, is_problem=is_problem)


def waiting_payments(offline: bool) -> Iterator[Finding]:
    """Count the payments that have waited for longer than any method takes; what can be paid for ever harms nobody."""
    rows = get_payment_model()._default_manager.using(payments_database()).of_configured_account()
    count = rows.filter(status__in=PAYABLE, created__lt=timezone.now() - WAITED).count()
    if count:
        why, remedy = f"have waited for {WAITED.days} days", "admin, payments: “Ask the provider”, or cancel them"
        yield Finding("payments", count, why, remedy, is_problem=False)


def meter_events(offline: bool) -> Iterator[Finding]:
    """Count the use that the provider has not been told of, or refuses."""
    rows = MeterEvent.objects.using(payments_database())
    pending = rows.due(timezone.now() - LONG).filter(created__lt=timezone.now() - LONG).count()
    if pending:
        yield Finding("meter events", pending, "not sent for more than an hour", "manage.py send_meter_events")
    for state, why in METER_EVENTS.items():
        count = rows.filter(state=state, modified__gt=timezone.now() - WAITED).count()
        if count:
            yield Finding("meter events", count, why, "admin, meter events: read the error")


def mails(offline: bool) -> Iterator[Finding]:
    """Count the e-mails that customers may not have got."""
    rows = MailMessage.objects.using(payments_database())
    late = rows.due().filter(queued__lt=timezone.now() - LONG).count()
    if late:
        yield Finding("e-mails", late, "not sent for more than an hour", "manage.py send_mails")
    for state, why in MAILS.items():
        count = rows.filter(state=state, queued__gt=timezone.now() - WAITED).count()
        if count:
            remedy = f"admin, e-mails: read the error; manage.py send_mails --again {state}"
            yield Finding("e-mails", count, why, remedy)
