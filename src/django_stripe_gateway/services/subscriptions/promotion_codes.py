"""Promotion codes, as customers enter them: which one is meant, and that nobody uses one twice."""

from __future__ import annotations

from django.db.models import Q

from django_stripe_gateway.choices import BillingOperationKind, InvoiceStatus, OperationState, SubscriptionStatus
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, customer_id
from django_stripe_gateway.services.transactions import payments_database

# What takes a code.
USES = (BillingOperationKind.SUBSCRIBE, BillingOperationKind.CHECKOUT, BillingOperationKind.CHANGE_DISCOUNT)

# Of what has ended: that it was tried, or paid (if only with nothing, as the coupon said), or sold on account. The
# status does not tell: what was given up unpaid is "canceled" or "incomplete_expired".
_HAD_EFFECT = ~Q(status=SubscriptionStatus.INCOMPLETE_EXPIRED) & (
    Q(trial_start__isnull=False)
    | Q(first_paid_at__isnull=False)
    | Q(invoices__status=InvoiceStatus.PAID)
    | Q(collection_method="send_invoice")
)


def promotion_code_id(gateway: BillingGateway, code: str) -> str:
    """Return the provider's id of a code as customers enter it.

    Raises:
        InvalidInput: there is none that can be used.
    """
    found = gateway.find_promotion_code(code) if code.isprintable() else None
    if found is None or not found.is_active:
        raise InvalidInput("There is no such promotion code.", code="unknown_promotion_code", field="promotion_code")
    return found.promotion_code_id


def check_unused_elsewhere(gateway: BillingGateway, provider_id: str, code_id: str) -> None:
    """Raise ``InvalidInput`` if the provider knows a customer to have used a code: on its pages, or in its Dashboard.

    Args:
        code_id: the provider's; empty for none.
    """
    if code_id and code_id in gateway.used_promotion_codes(provider_id):
        raise _used()


def check_unused(customer_pk: int, code_id: str) -> None:
    """Raise ``InvalidInput`` if a customer has used a code, in whichever way; an attempt that nobody paid uses none.

    One that can still be paid does, until it is given up.

    Args:
        code_id: the provider's; empty for none, which is never refused.
    """
    if not code_id:
        return
    rows = BillingOperation.objects.using(payments_database()).filter(_of_owner(customer_pk), kind__in=USES)
    asked = rows.filter(state=OperationState.SUCCEEDED, params__promotion_code_id=code_id)
    ended = Subscription.objects.using(payments_database()).filter(_of_owner(customer_pk)).has_ended()
    if asked.exclude(subscription__in=ended.exclude(_HAD_EFFECT)).exists():
        raise _used()


def may_enter_code(claim: CustomerClaim) -> bool:
    """Return whether a page of the provider's may ask a customer for a code: it takes any, and a used one again."""
    if not claim.params["allow_promotion_codes"]:
        return False
    rows = BillingOperation.objects.using(payments_database()).filter(_of_owner(claim.subject.pk), kind__in=USES)
    has_used = rows.filter(state=OperationState.SUCCEEDED).exclude(params__promotion_code_id="").exists()
    return not has_used and not claim.gateway.used_promotion_codes(customer_id(claim))


def _of_owner(customer_pk: int) -> Q:
    """Return the filter for what is of a customer, or of the same owner under another one: codes have one id each."""
    owners = Customer.objects.using(payments_database()).filter(pk=customer_pk, owner__isnull=False)
    return Q(customer=customer_pk) | Q(customer__owner__in=owners.values_list("owner_id", flat=True))


def _used() -> InvalidInput:
    sentence = "This promotion code has been used already."
    return InvalidInput(sentence, code="promotion_code_used", field="promotion_code")
