"""Stop collecting money for a subscription for a while, and go on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.cancel import BILLED
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    check_moment,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.paid_periods import is_payment_in_doubt
from django_stripe_gateway.services.transactions import payments_database

PAUSE_BEHAVIORS = ("void", "keep_as_draft", "mark_uncollectible")


class PauseVerb(SubscriptionVerb):
    """Stop collecting money."""

    kind = BillingOperationKind.PAUSE

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs be paused."""
        check_changeable(subscription)
        if subscription.is_paused:
            raise WrongState("This subscription is paused already.")

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Pause it."""
        resumes_at = claim.params["resumes_at"]
        snapshot: SubscriptionSnapshot = claim.gateway.pause_subscription(
            claim.seen.provider_id,
            behavior=claim.params["behavior"],
            resumes_at=datetime.fromisoformat(resumes_at) if resumes_at else None,
            idempotency_key=claim.key,
        )
        if is_payment_in_doubt(claim.seen, snapshot):
            # How far it is paid is in its invoices.
            snapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return snapshot


class UnpauseVerb(SubscriptionVerb):
    """Collect money again."""

    kind = BillingOperationKind.UNPAUSE

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what is paused go on."""
        if subscription.has_ended or not subscription.is_paused:
            raise WrongState("This subscription is not paused.")

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """End the pause."""
        snapshot: SubscriptionSnapshot = claim.gateway.unpause_subscription(
            claim.seen.provider_id, idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it is not paused any more: the provider may refuse to end a pause twice."""
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        is_paused = bool(found.pause_behavior) or found.status == SubscriptionStatus.PAUSED
        return None if is_paused else found


PAUSE_SUBSCRIPTION = register(PauseVerb())
UNPAUSE_SUBSCRIPTION = register(UnpauseVerb())


def pause_subscription(
    *,
    subscription: Subscription,
    behavior: str = "void",
    resumes_at: datetime | None = None,
    is_bounded: bool = False,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Stop collecting money for a subscription; its status stays what it is.

    Args:
        behavior: what becomes of invoices meanwhile: "void", "keep_as_draft" or "mark_uncollectible".
        resumes_at: when the pause ends by itself.
        is_bounded: ``True`` for a customer's, which ends after ``STRIPE_GATEWAY_MAX_PAUSE_DAYS`` at the latest, and
            which nothing may be invoiced after.

    Raises:
        InvalidInput: an unknown behaviour, or a moment that has passed, or one beyond the bound ("pause_too_long").
        WrongState: it is over, or paused already; or, for a customer, something is charged by use, or the next invoice
            charges what they have had ("to_be_invoiced").
        UnsupportedByGateway: this provider cannot pause.
        ProviderError: the provider refused or failed.
    """
    if behavior not in PAUSE_BEHAVIORS:
        raise InvalidInput(f"The behavior is one of {', '.join(PAUSE_BEHAVIORS)}.", field="behavior")
    check_moment(resumes_at, field="resumes_at", is_to_come="The pause must end in the future.")
    _check_supports_pause(subscription)
    params = {"behavior": behavior, "resumes_at": resumes_at.isoformat() if resumes_at else None}

    def bound() -> dict[str, Any]:
        if is_bounded:
            _check_nothing_to_invoice(subscription)
        end = bounded_pause(subscription, resumes_at) if is_bounded else resumes_at
        return {"resumes_at": end.isoformat() if end else None}

    return run_on_subscription(PAUSE_SUBSCRIPTION, subscription, params, idempotency_key, origin, bound)


def bounded_pause(subscription: Subscription, resumes_at: datetime | None) -> datetime | None:
    """Return when a customer's pause ends: as they ask, and within ``STRIPE_GATEWAY_MAX_PAUSE_DAYS``.

    The days are counted from the end of what was paid, if that has passed: no pause after another makes it longer.

    Raises:
        InvalidInput: it would be too long ("pause_too_long").
    """
    if gateway_settings.max_pause_days is None:
        return resumes_at
    now = timezone.now().replace(microsecond=0)
    latest = _unpaid_since(subscription, now) + timedelta(days=gateway_settings.max_pause_days)
    if latest <= now or (resumes_at is not None and resumes_at > latest):
        sentence = f"A pause ends within {gateway_settings.max_pause_days} days, until a period is paid again."
        raise InvalidInput(sentence, code="pause_too_long", field="resumes_at")
    return resumes_at or latest


def _check_nothing_to_invoice(subscription: Subscription) -> None:
    """Raise ``WrongState`` ("to_be_invoiced") if a customer's pause would let them off what they have had, or will.

    Stripe makes void, uncollectible or a draft whatever it invoices during a pause: also what was used, or added,
    before it (https://docs.stripe.com/billing/subscriptions/pause-payment).
    """
    sentence = ""
    if subscription.items.using(payments_database()).filter(is_metered=True).exists():
        sentence = "This subscription is charged by use, which a pause would leave unpaid. Cancel it instead."
    elif _waits_for_invoice(subscription):
        sentence = "Something was had that the next invoice charges. Pause once that is paid."
    if sentence:
        raise WrongState(sentence, code="to_be_invoiced")


def _waits_for_invoice(subscription: Subscription) -> bool:
    gateway = billing_gateway_of(subscription)
    if subscription.status not in BILLED or not subscription.provider_id or not gateway.supports_preview:
        return False
    customer_id = subscription.customer.provider_id or ""
    # What the seller has put on the next invoice is waited for, too.
    return gateway.preview_end(subscription.provider_id, customer_id, credits_unused=False).total > 0


def _unpaid_since(subscription: Subscription, now: datetime) -> datetime:
    """Return since when nobody has paid because of a pause; now if that is not so."""
    if not subscription.was_paused:
        return now
    return min(now, subscription.paid_until or subscription.start or now)


def unpause_subscription(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Collect money again; see ``pause_subscription`` for what is raised."""
    _check_supports_pause(subscription)
    return run_on_subscription(UNPAUSE_SUBSCRIPTION, subscription, {}, idempotency_key, origin)


def _check_supports_pause(subscription: Subscription) -> None:
    """Raise ``UnsupportedByGateway`` where the provider cannot pause."""
    if not billing_gateway_of(subscription).supports_pause:
        raise UnsupportedByGateway("This gateway cannot pause subscriptions.")
