"""Subscribe an owner to a plan: at once, or on a page of the provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionLogEvent
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    InvalidInput,
    WrongState,
)
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    ItemRequest,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.models import BillingOperation, Customer, Plan, PlanPricing, Subscription
from django_stripe_gateway.models.return_urls import default_base_url, subscription_return_url
from django_stripe_gateway.models.storable import refuse_unstorable
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.page_times import closing_moment, closing_time, make_page
from django_stripe_gateway.services.operations.verbs import Request, Verb, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions import promotion_codes
from django_stripe_gateway.services.subscriptions.add_ons import add_on_params
from django_stripe_gateway.services.subscriptions.checkouts import (
    close_open_checkouts,
    look_up_page,
    note_checkout,
    show_page,
)
from django_stripe_gateway.services.subscriptions.collection import check_collection
from django_stripe_gateway.services.subscriptions.customers import (
    billing_variant,
    customer_row,
    ensure_customer,
    with_customer,
)
from django_stripe_gateway.services.subscriptions.cycles import cycle_of
from django_stripe_gateway.services.subscriptions.elsewhere import learn_what_runs
from django_stripe_gateway.services.subscriptions.identity import take_identity
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    SubscriptionVerb,
    check_moment,
    claimed_subscription,
    customer_id,
    was_made_before,
)
from django_stripe_gateway.services.subscriptions.metered import check_charged_once
from django_stripe_gateway.services.subscriptions.missing import find_lost
from django_stripe_gateway.services.subscriptions.one_bill import check_may_begin
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method
from django_stripe_gateway.services.subscriptions.plan_meters import prices_by_use
from django_stripe_gateway.services.subscriptions.prices import (
    check_asked_currency,
    choose_pricing,
    named_pricing,
)
from django_stripe_gateway.services.subscriptions.quantities import quantity_of
from django_stripe_gateway.services.subscriptions.starting import (
    RESERVED_METADATA,
    ask_host_to_subscribe,
    gateway_that_starts,
)
from django_stripe_gateway.services.subscriptions.sync import lock_subscription, look_up_subscription
from django_stripe_gateway.services.subscriptions.trials import check_trial_days, check_trial_end, may_have_trial
from django_stripe_gateway.services.subscriptions.unpaid import go_on_with_unpaid
from django_stripe_gateway.services.transactions import payments_database

A = TypeVar("A")
# Codes of what a subscription is refused with because of another one.
ALREADY_HAD = frozenset({"already_subscribed", "already_metered"})
# What no repeat is compared by.
UNCOMPARED = frozenset({"trial_days", "ends_later"})


class StartVerb(CustomerVerb[A]):
    """A verb that starts a new subscription, whose row it makes under the customer's lock."""

    def new_operation(self, subject: Customer, request: Request) -> BillingOperation:
        """Return the operation, with the subscription to the price that the caller has read."""
        operation, pricing = super().new_operation(subject, request), request.rows
        metadata = request.params["metadata"]
        operation.subscription = Subscription(
            customer=subject,
            plan=pricing.plan,
            pricing=pricing,
            variant=pricing.variant,
            quantity=request.params["quantity"] or 1,
            livemode=subject.livemode,
            account_id=subject.account_id,
            metadata={key: value for key, value in metadata.items() if key not in RESERVED_METADATA},
            cancel_at_period_end=not pricing.plan.auto_renew,
        )
        refuse_unstorable(operation.subscription, ["metadata"], payments_database())
        return operation

    def check(self, claim: CustomerClaim) -> None:
        """Let nobody be billed twice, unless the host allows it, or pay for use or use a code twice; store the row.

        Whether there is a trial is decided here too.
        """
        check_may_begin(claim.subject, claim.params["plan_pk"])
        promotion_codes.check_unused(claim.subject.pk, claim.params["promotion_code_id"])
        add_ons = [added["price_id"] for added in claim.params["add_ons"]]
        check_charged_once(claim.subject, [claim.params["price_id"], *add_ons])
        claim.seen = subscription = claim.operation.subscription
        assert subscription is not None and subscription.plan is not None  # noqa: S101, PT018 (they came with it)
        if claim.params["trial_days"] and not may_have_trial(subscription, subscription.plan):
            claim.params["trial_days"] = 0
        if claim.params["trial_days"]:
            # It would end with its trial, before it is paid once.
            claim.params["ends_later"] = claim.params["cancel_at_period_end"]
        subscription.save(using=payments_database())
        write_log(subscription, SubscriptionLogEvent.CREATED, claim.origin, str(subscription.plan))

    def request(self, claim: CustomerClaim) -> SubscriptionRequest:
        """Return what starts a subscription, as its operation has kept it."""
        params, subscription = claim.params, claim.seen
        promotion_codes.check_unused_elsewhere(claim.gateway, customer_id(claim), params["promotion_code_id"])
        anchor = params.get("billing_cycle_anchor")
        return SubscriptionRequest(
            customer_id=customer_id(claim),
            price_id=params["price_id"],
            quantity=params["quantity"],
            add_ons=[ItemRequest(one["price_id"], one["quantity"]) for one in params["add_ons"]],
            trial_days=params["trial_days"],
            promotion_code=params["promotion_code_id"],
            coupon=params["coupon"],
            automatic_tax=params["automatic_tax"],
            # That would be the trial's, or the first of several; ``end_with_period`` says when the plan's is known.
            cancel_at_period_end=params["cancel_at_period_end"] and not params.get("ends_later"),
            billing_cycle_anchor=datetime.fromisoformat(anchor) if anchor else None,
            default_payment_method=params["payment_method"],
            trial_end_behavior=params.get("trial_end_behavior", ""),
            collection_method=params.get("collection_method", ""),
            days_until_due=params.get("days_until_due"),
            metadata={**subscription.metadata, "subscription": str(subscription.pk), "token": subscription.token},
            further=claim.further,
        )


class SubscribeVerb(StartVerb[SubscriptionSnapshot], SubscriptionVerb):
    """Start a subscription at once; an open first payment is the customer's to confirm."""

    kind = BillingOperationKind.SUBSCRIBE

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Start it."""
        snapshot: SubscriptionSnapshot = claim.gateway.create_subscription(
            self.request(claim), idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription that carries our token: the first one, of which all others are copies."""
        marked = [
            listed.subscription_id
            for listed in claim.gateway.list_subscriptions(customer_id(claim))
            if listed.metadata.get("token") == claim.seen.token
        ]
        if not marked:
            return None
        # The list is the newest first, and carries no secret of the first invoice.
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(marked[-1])
        return found

    def apply(self, claim: CustomerClaim, answer: SubscriptionSnapshot) -> str:
        """Bring the subscription to what the provider says, also if an event has taken it for a copy of this one."""
        if claim.subject.is_known_as(answer.customer_id):
            take_identity(lock_subscription(claim.seen.pk), answer.subscription_id, claim.origin)
        return super().apply(claim, answer)


class OpenCheckoutVerb(StartVerb[BillingCheckoutSnapshot]):
    """Make a page of the provider that starts a subscription."""

    kind = BillingOperationKind.CHECKOUT

    def check(self, claim: CustomerClaim) -> None:
        """Check it as any other; the page's way back is signed for the subscription."""
        super().check(claim)
        params = claim.params
        params["returns"] = {
            result: params[f"{result}_url"] or subscription_return_url(claim.seen, result, params["base_url"])
            for result in ("success", "cancel")
        }
        params |= closing_time()

    def call(self, claim: CustomerClaim) -> BillingCheckoutSnapshot:
        """Make it; nothing is paid by that. It asks for a code only who has not used any: it would take it again."""

        def make() -> BillingCheckoutSnapshot:
            request = SubscriptionCheckoutRequest(
                subscription=self.request(claim),
                success_url=claim.params["returns"]["success"],
                cancel_url=claim.params["returns"]["cancel"],
                allow_promotion_codes=promotion_codes.may_enter_code(claim),
                expires_at=closing_moment(claim.params),
            )
            page: BillingCheckoutSnapshot = claim.gateway.create_subscription_checkout(
                request, idempotency_key=claim.key
            )
            return page

        return make_page(claim, make)

    def find_earlier(self, claim: CustomerClaim) -> BillingCheckoutSnapshot | None:
        """Return the page that carries the subscription's token."""
        page: BillingCheckoutSnapshot | None = claim.gateway.find_subscription_checkout(
            customer_id(claim), claim.seen.token
        )
        return page

    def apply(self, claim: CustomerClaim, answer: BillingCheckoutSnapshot) -> str:
        """Keep the page's id, and the ids of what it may have started already; its address is not stored."""
        claim.result = lock_subscription(claim.seen.pk)
        claim.result.customer = claim.subject
        note_checkout(claim.result, answer, claim.origin)
        show_page(claim.result, answer)
        return answer.session_id


SUBSCRIBE = register(SubscribeVerb())
OPEN_CHECKOUT = register(OpenCheckoutVerb())


def subscribe(
    *,
    owner: Any,
    plan: Plan,
    pricing: PlanPricing | None = None,
    lookup_key: str = "",
    currency: str = "",
    quantity: int = 1,
    add_ons: Sequence[tuple[PlanPricing, int]] = (),
    mode: str = "direct",
    promotion_code: str = "",
    coupon: str = "",
    payment_method: str = "",
    trial_days: int | None = None,
    trial_end_behavior: str = "",
    collection_method: str = "",
    days_until_due: int | None = None,
    billing_cycle_anchor: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
    success_url: str = "",
    cancel_url: str = "",
    base_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Subscribe ``owner`` to ``plan``.

    Args:
        pricing: one of the plan's, any that is active; or ``lookup_key``, the name of one at Stripe. Without either it
            is the one of several in the currency and with the interval of what the owner has subscribed to already,
            else in the currency that the adapter says, else the plan's default.
        currency: sell at a price in this one only.
        quantity: seats, where the price is per seat.
        add_ons: what is charged beside the plan: prices of add-ons or of meters, each with its quantity. What the plan
            charges by use comes with it, unless customers may add that themselves.
        mode: "direct" starts it at once and leaves its first payment to the customer's browser where one is needed,
            unless a ``payment_method`` is named, which is charged;
            "checkout" returns a page of Stripe's that starts it.
        promotion_code: as customers enter it. ``coupon``: the provider's id, for discounts that the host gives.
        payment_method: one of the customer's, charged at once, and instead of the default one.
        trial_days: ``None`` for those of the price; an owner has one trial of each plan.
        trial_end_behavior: of a trial without a card: "cancel", "create_invoice", "pause"; empty for the setting.
        collection_method: "send_invoice" sends invoices, to be paid within ``days_until_due``; empty to charge.
        billing_cycle_anchor: when the first full period begins.
        metadata: kept on the subscription here and at the provider.
        success_url: where the page of the mode "checkout" sends the browser back to; ``cancel_url`` if nobody paid.
            Without them it is our return page, which asks the provider first; ``base_url`` is its scheme and host,
            empty for ``PAYMENT_HOST``.

    Whoever asks for the same again before the first payment is made gets the same subscription; whoever asks for
    something else of that plan gets another, and the unpaid one is ended.

    Returns:
        The subscription, with ``client_secret`` where the customer must act (to authenticate, or to pay otherwise after
        the named payment method was declined), or ``gateway_url`` of the page.

    Raises:
        InvalidInput: a value is not acceptable; or nothing says which price of several (``ambiguous_pricing``).
        WrongState: the owner has a subscription already beside which this one may not begin ("already_subscribed", or
            "open_invoice", "payment_under_way" where it, or one that has ended, is to be paid; "subscribed_elsewhere"
            for one that is nobody's here), or would be charged the same use twice ("already_metered").
        PaymentDeclined: the first payment was declined, at a provider that leaves it to nobody's browser.
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    if pricing is None:
        pricing = _asked_pricing(plan, lookup_key, currency, owner)
    check_asked_currency(pricing, currency)
    gateway = gateway_that_starts(plan, pricing, quantity, mode, promotion_code)
    pricing.plan = plan
    check_moment(billing_cycle_anchor, field="billing_cycle_anchor")
    with_plan = prices_by_use(pricing, [added for added, _quantity in add_ons]) if gateway.supports_items else []
    add_ons = [*add_ons, *((added, 1) for added in with_plan)]
    params: dict[str, Any] = {
        "plan_pk": plan.pk,
        "pricing_pk": pricing.pk,
        "metadata": dict(metadata or {}),
        "price_id": pricing.stripe_price_id,
        "quantity": quantity_of(pricing, quantity),
        "add_ons": add_on_params(gateway, pricing, add_ons),
        "promotion_code_id": promotion_codes.promotion_code_id(gateway, promotion_code) if promotion_code else "",
        "coupon": coupon,
        "automatic_tax": gateway_settings.automatic_tax,
        "cancel_at_period_end": not plan.auto_renew,
        "ends_later": not plan.auto_renew and any(cycle_of(one) != cycle_of(pricing) for one, _quantity in add_ons),
        "billing_cycle_anchor": billing_cycle_anchor.isoformat() if billing_cycle_anchor else None,
        "payment_method": payment_method,
        "asked_trial_days": trial_days,
        "trial_days": check_trial_days(pricing.trial_days if trial_days is None else trial_days),
        "trial_end_behavior": check_trial_end(trial_end_behavior),
        "collection_method": check_collection(collection_method, days_until_due),
        "days_until_due": days_until_due,
    }
    verb: Verb[Any, Any, Any] = SUBSCRIBE
    if mode == "checkout":
        verb = OPEN_CHECKOUT
        if collection_method:
            raise InvalidInput("A page charges at once.", field="collection_method")
        params |= {
            "success_url": success_url,
            "cancel_url": cancel_url,
            "base_url": "" if success_url and cancel_url else base_url or default_base_url(),
            "allow_promotion_codes": gateway.supports_promotion_codes and not promotion_code and not coupon,
        }
    match = {name: value for name, value in params.items() if name not in UNCOMPARED}
    customer = customer_row(owner, pricing.variant)
    key = scoped_request_key(idempotency_key, "subscribe", customer.pk)
    request = Request(params, match, key=key, rows=pricing)
    is_new = not was_made_before(verb, customer.pk, request)
    if is_new:
        request = replace(request, further=ask_host_to_subscribe(verb, customer, pricing, params["metadata"]))
        # What cannot be sent makes no customer and closes no page.
        request.further.verified()
        learn_what_runs(owner, customer, plan.pk, origin)
    customer = ensure_customer(owner=owner, variant=pricing.variant, origin=origin)
    if payment_method:
        own_payment_method(customer, payment_method, field="payment_method")
    if is_new:
        close_open_checkouts(customer, plan, origin)
        unpaid = go_on_with_unpaid(verb, customer, request, origin)
        if unpaid is not None:
            return unpaid
    claim = _start(customer, lambda found: run(verb, found.pk, request, origin), origin)
    subscription: Subscription | None = claim.result or claimed_subscription(claim)
    assert subscription is not None  # noqa: S101 (what subscribes makes one)
    if claim.result is None and claim.operation.kind == OPEN_CHECKOUT.kind:
        return look_up_page(subscription, origin)
    if claim.result is None and claim.operation.kind == SUBSCRIBE.kind and subscription.has_incomplete_payment:
        # A repeat finds the work done; the secret came with the answer that was never given.
        return look_up_subscription(subscription.pk, origin)
    return subscription


def _start(customer: Customer, start: Callable[[Customer], CustomerClaim], origin: Origin) -> CustomerClaim:
    """Start a subscription, once more if what stands in its way turns out to be unknown at the provider."""
    try:
        return with_customer(customer, start, origin)
    except WrongState as error:
        if error.code not in ALREADY_HAD or not find_lost(customer, origin, look_up_subscription):
            raise
    return with_customer(customer, start, origin)


def _asked_pricing(plan: Plan, lookup_key: str, currency: str, owner: Any) -> PlanPricing:
    if lookup_key:
        return named_pricing(variant=billing_variant(), plan=plan, lookup_key=lookup_key, is_public=False)
    return choose_pricing(plan, owner=owner, currency=currency)
