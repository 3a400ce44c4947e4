"""Which of the provider's subscriptions a row stands for: the one that it names by its id.

Our token in a subscription's metadata is a hint. It lets an event find a row that has no id yet, of the same customer;
but whoever copies a subscription at the provider copies the token too, and the copy's event may come first. What our
own call has made, its answer says, or the page that it opened.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.models import Invoice, Subscription, SubscriptionItem
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import payments_database

# What a row keeps whatever it stands for; all else is of the provider's subscription.
OF_THE_ROW = frozenset({"id", "customer", "variant", "token", "checkout_id", "created", "modified"})
# What was asked for, until the provider has answered.
ASKED_FOR = ("plan", "pricing", "quantity", "livemode", "account_id", "metadata")


def find_subscription_row(
    variants: Collection[str], subscription_id: str, *, token: str = "", customer_id: str = ""
) -> int | None:
    """Return the key of our row of a subscription: found by its id, else by the token of one that waits for its id.

    Args:
        variants: whose rows may be found.
        token: that the subscription carries in its metadata.
        customer_id: the provider's, whose subscription it is; without it the token says nothing.
    """
    rows = Subscription.objects.using(payments_database()).filter(variant__in=variants)
    found = rows.filter(provider_id=subscription_id).values_list("pk", flat=True).first() if subscription_id else None
    if found is not None or not (token and customer_id):
        return found
    waiting = rows.filter(token=token, provider_id=None, status=SubscriptionStatus.STARTING)
    row = waiting.select_related("customer").first()
    return row.pk if row is not None and row.customer.is_known_as(customer_id) else None


def take_identity(subscription: Subscription, subscription_id: str, origin: Origin) -> None:
    """Let a locked row stand for the subscription that our own call has made, if it was taken for a copy of it.

    The row changes places with the one that stands for it, or leaves its place to a new one: nothing is lost that is
    known of the copy, whose owner pays for it.

    Args:
        subscription_id: the provider's, of what our call has made.
    """
    if not subscription_id or subscription.provider_id == subscription_id:
        return
    rows = Subscription.objects.using(payments_database())
    others = rows.select_for_update().filter(variant=subscription.variant, provider_id=subscription_id)
    other = others.filter(customer=subscription.customer_id).first()
    if other is None and subscription.provider_id is None:
        return
    stray = subscription.provider_id
    if other is None:
        asked_for = {name: getattr(subscription, name) for name in ASKED_FOR}
        other = Subscription(customer_id=subscription.customer_id, variant=subscription.variant, **asked_for)
        other.save(using=payments_database())
        write_log(other, SubscriptionLogEvent.CREATED, origin, "found at the provider")
    _exchange(subscription, other)
    if other.provider_id is None:
        # It has stood for what ours stands for now.
        other.status, other.ended_at = SubscriptionStatus.INCOMPLETE_EXPIRED, timezone.now()
    # No id may stand twice.
    rows.filter(pk__in=(subscription.pk, other.pk)).update(provider_id=None)
    subscription.provider_id = subscription_id
    for row in (subscription, other):
        row.save(using=payments_database())
    handle_arrivals(subscription_id)
    data = {"before": stray, "after": subscription_id}
    write_log(subscription, SubscriptionLogEvent.MISMATCH, origin, "taken for a copy of what was made for it", data)


def _exchange(one: Subscription, other: Subscription) -> None:
    fields = [field for field in Subscription._meta.concrete_fields if field.name not in OF_THE_ROW]
    for field in fields:
        values: tuple[Any, Any] = (getattr(one, field.attname), getattr(other, field.attname))
        setattr(other, field.attname, values[0])
        setattr(one, field.attname, values[1])
    models: tuple[type[Invoice | SubscriptionItem], ...] = (Invoice, SubscriptionItem)
    for model in models:
        rows = model._default_manager.using(payments_database())
        of_one, of_other = (list(rows.filter(subscription=row).values_list("pk", flat=True)) for row in (one, other))
        rows.filter(pk__in=of_one).update(subscription=other)
        rows.filter(pk__in=of_other).update(subscription=one)
