"""Customers: found or made once for each owner and variant, and kept in step with the owner's details.

A saved owner is noted at once (``owner_changes``); ``reconcile`` or the next use sends the provider the new details.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import BillingOperationKind, OperationState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, ProviderError
from django_stripe_gateway.gateways.billing_values import CustomerRequest, CustomerSnapshot
from django_stripe_gateway.gateways.registry import billing_variants, get_billing_gateway, refuse_sellers
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.accounts import billing_gateway_of, is_perhaps_elsewhere, learn_account, made_in
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.further_params import FurtherParams
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request, Verb, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.details import OWNER_MARK, details_digest, owner_details
from django_stripe_gateway.services.subscriptions.freshness import Known, Look, Verdict, judge, look_until_written
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    ask_host_for,
    customer_id,
)
from django_stripe_gateway.services.subscriptions.missing import find_lost
from django_stripe_gateway.services.subscriptions.sync import lock_customer, look_up_subscription
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

A = TypeVar("A")
CLEARABLE = ("email", "name")
# What our call leaves on what it makes, so that an earlier attempt is found.
MARKER = "operation"


class DetailsVerb(CustomerVerb[CustomerSnapshot]):
    """A verb that sends the details; ``claim.result`` says whether an event has crossed its answer."""

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember what was known of the customer, by which an event is seen that crosses the answer."""
        claim.seen = Known.of(claim.subject)

    def after_apply(self, claim: CustomerClaim) -> None:
        """Only another look says which of two that crossed is newer."""
        if claim.result:
            claim.subject = look_up_customer(claim.subject.pk)


class CreateCustomerVerb(DetailsVerb):
    """Make a customer at the provider; in development also give it a card that works."""

    kind = BillingOperationKind.CREATE_CUSTOMER

    def check(self, claim: CustomerClaim) -> None:
        """Ask nobody if another request has made it meanwhile."""
        claim.is_answered = claim.subject.exists_at_provider

    def call(self, claim: CustomerClaim) -> CustomerSnapshot:
        """Make it."""
        made = claim.gateway.create_customer(customer_request(claim, mark=True), idempotency_key=claim.key)
        return _with_test_card(claim, made)

    def find_earlier(self, claim: CustomerClaim) -> CustomerSnapshot | None:
        """Return the customer that carries the operation's mark."""
        found = claim.gateway.find_customer(customer_request(claim, mark=True), since=claim.operation.created)
        if found is None or _is_of_another(claim.subject, found.customer_id):
            return None
        return _with_test_card(claim, found)

    def apply(self, claim: CustomerClaim, answer: CustomerSnapshot) -> str:
        """Take over the customer's id."""
        customer = claim.subject
        if customer.provider_id and customer.provider_id != answer.customer_id:
            customer.former_ids = [*customer.former_ids, customer.provider_id]
        customer.provider_id, customer.deleted = answer.customer_id, None
        claim.result = not write_customer(claim, answer, claim.seen, has_details=True)
        return answer.customer_id


class UpdateCustomerVerb(DetailsVerb):
    """Change a customer's name, e-mail address and metadata."""

    kind = BillingOperationKind.UPDATE_CUSTOMER

    def call(self, claim: CustomerClaim) -> CustomerSnapshot:
        """Send the details."""
        snapshot: CustomerSnapshot = claim.gateway.update_customer(
            customer_id(claim), customer_request(claim), idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> CustomerSnapshot | None:
        """Return nothing: what is set once more makes nothing anew."""
        return None

    def apply(self, claim: CustomerClaim, answer: CustomerSnapshot) -> str:
        """Note that the provider has the details."""
        claim.result = not write_customer(claim, answer, claim.seen, has_details=True)
        return ""


CREATE_CUSTOMER = register(CreateCustomerVerb())
UPDATE_CUSTOMER = register(UpdateCustomerVerb())


def billing_variant() -> str:
    """Return the payment variant whose account sells subscriptions.

    Raises:
        GatewayConfigurationError: there is no variant whose provider bills subscriptions.
        UnsupportedByGateway: the setting names a seller's account.
    """
    if gateway_settings.billing_variant:
        refuse_sellers(gateway_settings.billing_variant, "Subscriptions")
        return gateway_settings.billing_variant
    variant = next(billing_variants(), None)
    if variant is None:
        raise GatewayConfigurationError("Subscriptions need a variant that bills them. Add one to PAYMENT_VARIANTS.")
    return variant


def customer_row(owner: Any, variant: str) -> Customer:
    """Return the row of an owner in the account of a variant, made if there is none.

    The provider is asked nothing but, once for each key, whose that is; see ``learn_account`` for what is raised.
    """
    refuse_sellers(variant, "Customers")
    rows = Customer.objects.using(payments_database())
    made = made_in(variant, is_required=True)
    row = rows.filter(owner_id=owner.pk, variant=variant).current().first()
    if row is not None:
        return row
    made = made or {"livemode": get_billing_gateway(variant).livemode}
    try:
        with transaction.atomic(using=payments_database()):
            return rows.create(owner_id=owner.pk, variant=variant, **made)
    except IntegrityError:
        # Another request of the same owner was faster.
        return rows.get(owner_id=owner.pk, variant=variant, **made)


def ensure_customer(*, owner: Any, variant: str = "", origin: Origin = SYSTEM) -> Customer:
    """Return the customer of an owner, made at the provider if need be, with the owner's present details.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``.
        variant: payment variant, empty for the one that sells subscriptions.

    Raises:
        OperationInProgress: another request is about to make it.
        ProviderError: the provider refused or failed.
    """
    customer = customer_row(owner, variant or billing_variant())
    details, further = owner_details(owner), _ask_host(UPDATE_CUSTOMER, customer)
    if not customer.exists_at_provider:
        return _send_details(CREATE_CUSTOMER, customer, details, further, origin)
    if customer.details_digest == details_digest(details, further.verified()):
        return customer
    try:
        return _send_details(UPDATE_CUSTOMER, customer, details, further, origin)
    except ProviderError as error:
        if not note_unheard_deletion(customer, error):
            raise
    return _send_details(CREATE_CUSTOMER, customer, details, further, origin)


def update_customer(*, customer: Customer, origin: Origin = SYSTEM) -> Customer:
    """Send the provider the owner's details if they have changed; see ``ensure_customer`` for what is raised.

    One that the provider has deleted is noted as such, and not made anew: the next who wants to pay has it made.
    """
    if customer.owner is None or not customer.exists_at_provider:
        return customer
    details, noted = owner_details(customer.owner), customer.details_changed
    further = _ask_host(UPDATE_CUSTOMER, customer)
    if customer.details_digest != details_digest(details, further.verified()):
        try:
            return _send_details(UPDATE_CUSTOMER, customer, details, further, origin, noted=noted)
        except ProviderError as error:
            if not note_unheard_deletion(customer, error):
                raise
        return Customer.objects.using(payments_database()).get(pk=customer.pk)
    # Saved, but with nothing that the provider has of it.
    same = Customer.objects.using(payments_database()).filter(pk=customer.pk, details_changed=noted)
    same.update(details_changed=None)
    return customer


def _send_details(
    verb: Verb[Any, Any, Any],
    customer: Customer,
    details: Mapping[str, Any],
    further: FurtherParams,
    origin: Origin,
    *,
    noted: datetime | None = None,
) -> Customer:
    """Run a verb that sends the details; ``noted`` is when they were noted as changed, before they were read.

    Args:
        further: what the host adds to an update, by which a change of that is seen.
    """
    match = {**details, "digest": details_digest(details, further.params)}
    params = match | {"cleared": _cleared(customer, details)}
    if noted is not None:
        params["noted"] = noted.isoformat()
    if verb is CREATE_CUSTOMER:
        further = _ask_host(verb, customer)
    current: Customer = run(verb, customer.pk, Request(params, match, further=further), origin).subject
    return current


def _ask_host(verb: Verb[Any, Any, Any], customer: Customer) -> FurtherParams:
    kind = CallKind.CUSTOMER if verb is CREATE_CUSTOMER else CallKind.CUSTOMER_UPDATE
    return ask_host_for(kind, customer, own_metadata=(OWNER_MARK, MARKER))


def _cleared(customer: Customer, details: Mapping[str, Any]) -> list[str]:
    """Return which details are empty now, and were sent, or may have been, since the provider's last answer.

    What the owner never had, the provider may have heard of the customer: that is left alone.
    """
    sent = UPDATE_CUSTOMER.operations(customer.pk).filter(kind__in=(CREATE_CUSTOMER.kind, UPDATE_CUSTOMER.kind))
    told: set[str] = set()
    for operation in sent.exclude(state=OperationState.FAILED).order_by("-pk"):
        told |= {name for name in CLEARABLE if operation.params.get(name)}
        if not operation.is_pending:
            break
    return [name for name in CLEARABLE if name in told and not details[name]]


def customer_request(claim: CustomerClaim, *, mark: bool = False) -> CustomerRequest:
    """Return who is billed, as an operation has kept it; with ``mark`` an earlier attempt is found by the metadata."""
    params, marker = claim.params, {MARKER: str(claim.operation.pk)} if mark else {}
    return CustomerRequest(
        email=params["email"],
        name=params["name"],
        metadata=params["metadata"] | marker,
        cleared=params.get("cleared", ()),
        further=claim.further,
    )


def write_customer(claim: CustomerClaim, answer: CustomerSnapshot, known: Known, *, has_details: bool) -> bool:
    """Write what the provider says of the locked customer.

    Args:
        known: what was known of the customer before the provider was asked.
        has_details: the provider has the owner's details now, as they were when it was asked.

    Returns:
        Whether what the customer is charged on was written; if not, an event was faster, and somebody has to look.
    """
    customer: Customer = claim.subject
    assert claim.began is not None  # noqa: S101 (the provider was asked)
    if has_details:
        customer.details_digest = claim.params.get("digest", "")
        noted = customer.details_changed
        if noted is not None and noted.isoformat() == claim.params.get("noted"):
            # Otherwise the owner was saved since; ``reconcile`` compares.
            customer.details_changed = None
    look = Look(known, claim.began, answer, asked=timezone.now())
    is_newest = judge(customer, look=look) is Verdict.WRITE
    if is_newest:
        customer.default_payment_method = answer.default_payment_method
    customer.livemode = bool(answer.livemode)
    customer.save(using=payments_database())
    handle_arrivals(customer.provider_id or "")
    return is_newest


def look_up_customer(customer_pk: int) -> Customer:
    """Bring what a customer is charged on to what the provider says now, and return the customer.

    Raises:
        GatewayError: the provider could not be asked.
        OperationInProgress: events keep coming in faster than we can look.
    """
    rows = Customer.objects.using(payments_database())
    found: Customer = look_until_written(
        lambda: rows.get(pk=customer_pk),
        lambda seen: billing_gateway_of(seen).retrieve_customer(seen.provider_id or ""),
        _write_look,
        noun="customer",
    )
    return found


@retry_on_deadlock
def _write_look(seen: Customer, look: Look[CustomerSnapshot]) -> Customer | None:
    with money_transaction():
        customer = lock_customer(seen.pk)
        verdict = judge(customer, look=look)
        if verdict is Verdict.WRITE:
            customer.default_payment_method = look.answer.default_payment_method
            customer.save(using=payments_database(), update_fields=["default_payment_method", "fetched_at", "modified"])
        return None if verdict is Verdict.LOOK else customer


def _is_of_another(customer: Customer, provider_id: str) -> bool:
    """Return whether an id is another owner's, to whose customer the mark was copied."""
    rows = Customer.objects.using(payments_database()).filter(variant=customer.variant, provider_id=provider_id)
    return rows.exclude(pk=customer.pk).exists()


def _with_test_card(claim: CustomerClaim, customer: CustomerSnapshot) -> CustomerSnapshot:
    test_card = claim.gateway.test_payment_method
    if not test_card or customer.default_payment_method:
        return customer
    gateway, key = claim.gateway, claim.key
    method = gateway.attach_payment_method(test_card, customer.customer_id, idempotency_key=f"{key}-attach")
    with_card: CustomerSnapshot = gateway.set_default_payment_method(
        customer.customer_id, method.payment_method_id, idempotency_key=f"{key}-default"
    )
    return with_card


def with_customer(customer: Customer, act: Callable[[Customer], A], origin: Origin = SYSTEM) -> A:
    """Return what ``act`` does with a customer, who is made anew, once, if the provider has deleted them unheard."""
    try:
        return act(customer)
    except ProviderError as error:
        if customer.owner is None or not note_unheard_deletion(customer, error):
            raise
    return act(ensure_customer(owner=customer.owner, variant=customer.variant, origin=origin))


def note_unheard_deletion(customer: Customer, error: ProviderError) -> bool:
    """Note that the provider has deleted a customer, and return whether it has, if that is what an error may be about.

    Every call for a customer whose ``customer.deleted`` was lost is refused with such an error, and would be for ever.
    """
    if not (error.is_missing and customer.provider_id):
        return False
    # Whoever has the key of another account is told the same of everybody.
    learn_account(customer.variant)
    if not _is_gone(customer):
        return False
    mark_customer_deleted(customer)
    # What the provider deletes with its customer it still tells of; what it has lost with them it does not.
    find_lost(customer, SYSTEM, look_up_subscription)
    return True


def _is_gone(customer: Customer) -> bool:
    try:
        return billing_gateway_of(customer).retrieve_customer(customer.provider_id or "").is_deleted
    except ProviderError as error:
        return error.is_missing and not is_perhaps_elsewhere(customer)


@retry_on_deadlock
def mark_customer_deleted(customer: Customer) -> None:
    """Note that the provider has deleted a customer, unless another one has been made since ``customer`` was read."""
    with money_transaction():
        current = lock_customer(customer.pk)
        if current.provider_id == customer.provider_id:
            note_deletion(current)


def note_deletion(customer: Customer) -> None:
    """Note on a locked customer that the provider has deleted it, and announce it."""
    if customer.deleted is not None:
        return
    customer.deleted = timezone.now()
    customer.default_payment_method = ""
    customer.save(using=payments_database(), update_fields=["deleted", "default_payment_method", "modified"])
    send_on_commit(signals.customer_deleted, Customer, customer=customer)
