"""What belongs to one owner: their customers, and, if the owner is a user, their one-off payments and keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import (
    BillingOperation,
    Customer,
    IdempotencyKey,
    Invoice,
    KnownCard,
    MailMessage,
    Subscription,
    get_payment_model,
)
from django_stripe_gateway.models.customers import CustomerQuerySet
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.transactions import payments_database


@dataclass(frozen=True)
class Account:
    """Whose data is meant.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``, or a user; ``None`` if only the customer's row is left.
        customer: that row.
        email: the billing e-mail address of somebody who is gone; their payments without an owner carry it.
    """

    owner: Any = None
    customer: Customer | None = None
    email: str = ""

    @property
    def customers(self) -> CustomerQuerySet:
        """The customers, one for each account of the provider."""
        rows = Customer.objects.using(payments_database()).order_by("pk")
        if self.customer is not None:
            return rows.filter(pk=self.customer.pk)
        return rows.filter(owner_id=self.owner.pk) if self.is_owner else rows.none()

    @property
    def is_gone(self) -> bool:
        """Whether nobody owns what is left, so that payments are found by their e-mail address alone."""
        return self.owner is None

    @property
    def subscriptions(self) -> SubscriptionQuerySet:
        """Their subscriptions."""
        rows = Subscription.objects.using(payments_database()).select_related("customer")
        return rows.filter(customer__in=self.customers.order_by()).order_by("pk")

    @property
    def invoices(self) -> Any:
        """Their invoices."""
        rows = Invoice.objects.using(payments_database())
        return rows.filter(customer__in=self.customers.order_by()).order_by("pk")

    @property
    def operations(self) -> Any:
        """What was asked of the provider about the customers."""
        rows = BillingOperation.objects.using(payments_database())
        return rows.filter(customer__in=self.customers.order_by()).order_by("pk")

    @property
    def payments(self) -> Any:
        """The user's one-off payments; of one who is gone those without an owner that carry the e-mail address."""
        rows = get_payment_model()._default_manager.using(payments_database()).order_by("pk")
        own = Q(owner_id=self.owner.pk) if self.is_user else Q(pk__in=())
        if self.email:
            own |= Q(owner=None, billing_email__iexact=self.email)
        return rows.filter(own)

    @property
    def mails(self) -> Any:
        """The e-mails that they were sent, or will be."""
        rows = MailMessage.objects.using(payments_database()).order_by("pk")
        own = Q(customer__in=self.customers.order_by()) | Q(payment__in=self.payments.order_by())
        return rows.filter(own | Q(recipient__iexact=self.email)) if self.email else rows.filter(own)

    @property
    def cards(self) -> Any:
        """What is known of their cards."""
        rows = KnownCard.objects.using(payments_database())
        return rows.filter(customer__in=self.customers.order_by()).order_by("pk")

    @property
    def keys(self) -> Any:
        """The answers to a user's idempotency keys, to those that were used for a team, or to a guest's."""
        rows = IdempotencyKey.objects.using(payments_database()).order_by("pk")
        own = Q(pk__in=self._guests_keys())
        if self.is_user:
            own |= Q(owner_id=self.owner.pk)
        if self.is_owner and not self.is_user:
            own |= Q(scope=str(self.owner.pk))
        return rows.filter(own)

    def _guests_keys(self) -> list[int]:
        """Return the keys of the answers about these payments that nobody got who had signed in.

        Nothing but the answer says whose it is. The rows are those of a day, unless the host keeps them for longer.
        """
        rows = IdempotencyKey.objects.using(payments_database()).filter(owner=None).exclude(response_body="")
        answers = {row.pk: _payment_of(row.response_body) for row in in_batches(rows.only("response_body"))}
        if not answers:
            return []
        own = set(self.payments.order_by().values_list("pk", flat=True))
        return [pk for pk, payment_pk in answers.items() if payment_pk in own]

    @cached_property
    def is_user(self) -> bool:
        """Whether the owner is a user, who has payments and idempotency keys."""
        return isinstance(self.owner, get_user_model())

    @cached_property
    def is_owner(self) -> bool:
        """Whether the owner is billed, and has what is counted of their use."""
        return isinstance(self.owner, apps.get_model(settings.STRIPE_GATEWAY_OWNER_MODEL))


def _payment_of(body: str) -> Any:
    """Return the key of the payment that an answer is about, ``None`` if it is about none."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found.get("payment_id") if isinstance(found, dict) else None


def account_of(owner: Any = None, customer: Customer | None = None, email: str = "") -> Account:
    """Return whose data is meant: an owner's, or, of one who is gone, their customer's.

    Raises:
        InvalidInput: nobody is named, or an owner and beside that what is left of one who is gone.
    """
    if (owner is None) == (customer is None and not email):
        raise InvalidInput("Name the owner, or, of an owner who is gone, the customer, the e-mail address, or both.")
    if customer is None:
        return Account(owner, email=email)
    left = (
        customer.owner_id
        and apps.get_model(settings.STRIPE_GATEWAY_OWNER_MODEL)._base_manager.filter(pk=customer.owner_id).first()
    )
    return Account(left, email=email) if left else Account(customer=customer, email=email)
