"""Keep when cards expire, as the provider says in passing, and announce once that one expires that is charged.

Stripe has no event for the expiry of a payment method. Nothing is kept while nobody is told: neither customers, by an
e-mail, nor the host, by a receiver of ``card_expiring``.
"""

from __future__ import annotations

import logging
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import MailKind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.billing_values import PaymentMethodSnapshot
from django_stripe_gateway.models import Customer, KnownCard, Subscription
from django_stripe_gateway.models.subscriptions import INCOMPLETE, SubscriptionQuerySet
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

logger = logging.getLogger(__name__)

# So many that are not known are asked for in one run.
LOOKS = 200


def keeps_cards() -> bool:
    """Return whether anybody is told of cards that expire."""
    return MailKind.CARD_EXPIRING in gateway_settings.mails or signals.card_expiring.has_listeners()


def last_day(month: int | None, year: int | None) -> date | None:
    """Return the last day on which a card can be charged that shows a month; ``None`` for what shows none."""
    if not month or not year or not 1 <= month <= 12 or not date.min.year < year < date.max.year:
        return None
    return date(year, month, monthrange(year, month)[1])


def note_card(customer: Customer, method: PaymentMethodSnapshot, said: datetime | None) -> None:
    """Keep when a payment method of a locked customer expires, unless what is known was said later.

    Args:
        said: when the provider said it.
    """
    if not keeps_cards() or customer.has_erased(None):
        return
    cards = KnownCard.objects.using(payments_database())
    card = cards.filter(variant=customer.variant, provider_id=method.payment_method_id).first()
    if card is None:
        card = KnownCard(variant=customer.variant, provider_id=method.payment_method_id)
    elif card.said is not None and said is not None and said < card.said:
        return
    card.customer, card.said = customer, said
    card.brand, card.last4 = method.brand[:32], method.last4[:4]
    card.expires = last_day(method.exp_month, method.exp_year)
    card.save(using=payments_database())


def forget_card(variants: list[str], payment_method_id: str) -> None:
    """Drop what is known of a payment method that is nobody's any more."""
    KnownCard.objects.using(payments_database()).filter(variant__in=variants, provider_id=payment_method_id).delete()


# The sweep.


def announce_expiring_cards() -> Iterator[KnownCard]:
    """Ask for cards that nobody has told of, announce those that expire soon, and yield each that was announced."""
    if not keeps_cards():
        return
    look_up_unknown_cards()
    today = timezone.localdate() if timezone.is_aware(timezone.now()) else timezone.now().date()
    soon = today + timedelta(days=gateway_settings.mail_card_days)
    rows = KnownCard.objects.using(payments_database()).filter(expires__gte=today, expires__lte=soon)
    waiting = rows.filter(Q(announced=None) | ~Q(announced=F("expires")))
    for pk in list(waiting.order_by("pk").values_list("pk", flat=True)):
        card = _announce(pk)
        if card is not None:
            yield card


@retry_on_deadlock
def _announce(card_pk: int) -> KnownCard | None:
    with money_transaction():
        cards = KnownCard.objects.using(payments_database())
        card = cards.select_for_update().filter(pk=card_pk).first()
        if card is None or card.expires is None or card.announced == card.expires:
            return None
        charged = list(_charged().filter(_on(card), customer=card.customer).select_related("plan"))
        if not charged:
            # It may be charged before it expires: the next run looks again.
            return None
        card.announced = card.expires
        card.save(using=payments_database(), update_fields=["announced"])
        send_on_commit(
            signals.card_expiring,
            KnownCard,
            topic="card",
            customer=card.customer,
            card=card,
            expires=card.expires,
            subscriptions=charged,
        )
    return card


def _charged() -> SubscriptionQuerySet:
    """Return the subscriptions that go on and are charged by themselves."""
    rows = Subscription.objects.using(payments_database()).reachable().not_ended().filter(provider_id__isnull=False)
    rows = rows.exclude(collection_method="send_invoice").exclude(status__in=INCOMPLETE)
    return rows.filter(cancel_at_period_end=False, cancel_at=None)


def _on(card: KnownCard) -> Q:
    own = Q(default_payment_method=card.provider_id)
    return own | Q(default_payment_method="", customer__default_payment_method=card.provider_id)


def look_up_unknown_cards() -> int:
    """Ask the provider for what subscriptions are charged on and nobody has told of; return how many were found."""
    found = 0
    for customer_pk, method_id in _unknown():
        customer = Customer.objects.using(payments_database()).get(pk=customer_pk)
        try:
            method = billing_gateway_of(customer).retrieve_payment_method(method_id)
        except GatewayError as error:
            logger.warning("The payment method of customer %s was not looked up: %s.", customer_pk, error.code)
            continue
        if method.customer_id == customer.provider_id:
            _keep(customer_pk, method, timezone.now())
            found += 1
    return found


@retry_on_deadlock
def _keep(customer_pk: int, method: PaymentMethodSnapshot, asked: datetime) -> None:
    with money_transaction():
        customer = Customer.objects.using(payments_database()).select_for_update().get(pk=customer_pk)
        note_card(customer, method, asked)


def _unknown() -> list[tuple[int, str]]:
    """Return customers with what they are charged on, where nothing is known of that."""
    cards = KnownCard.objects.using(payments_database()).filter(variant=OuterRef("variant"))
    own = _charged().exclude(default_payment_method="")
    own = own.filter(~Exists(cards.filter(provider_id=OuterRef("default_payment_method"))))
    default = _charged().filter(default_payment_method="").exclude(customer__default_payment_method="")
    default = default.filter(~Exists(cards.filter(provider_id=OuterRef("customer__default_payment_method"))))
    found: dict[tuple[int, str], None] = {}
    for rows, column in ((own, "default_payment_method"), (default, "customer__default_payment_method")):
        found |= dict.fromkeys(rows.order_by("pk").values_list("customer_id", column)[:LOOKS])
    return list(found)
