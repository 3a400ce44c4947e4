"""Let a subscription end with its period, or at once; and take that back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet

from django_stripe_gateway.choices import BillingOperationKind, OperationState, SubscriptionStatus
from django_stripe_gateway.exceptions import InvalidInput, ProviderError, ProviderUnavailable, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.subscription_values import SubscriptionEnd
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.change import change_at_provider, subscription_change
from django_stripe_gateway.services.subscriptions.credits import check_claimed_credit, check_paid
from django_stripe_gateway.services.subscriptions.ends import ends_before_plan, going_on, note_agreed_end
from django_stripe_gateway.services.subscriptions.last_period import end_with_plan
from django_stripe_gateway.services.subscriptions.last_use import report_last_use
from django_stripe_gateway.services.subscriptions.line import (
    CHANGEABLE,
    CustomerClaim,
    SubscriptionVerb,
    ask_after_commit,
    check_moment,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.refund_unused import give_back, unused_refunds, write_given_back
from django_stripe_gateway.services.subscriptions.schedule import let_go
from django_stripe_gateway.services.subscriptions.sync import lock_subscription, look_up_subscription
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

# Why customers go, in Stripe's words.
FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
REFUNDS = ("credit", "refund")
# Of what runs and is charged something: more can wait than the first invoice.
BILLED = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)
MAX_COMMENT = 5000


class CancelVerb(SubscriptionVerb):
    """End a subscription."""

    kind = BillingOperationKind.CANCEL

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let nothing be cancelled that is over; what is not paid for has no period to end with."""
        if subscription.has_ended:
            raise WrongState("This subscription is over.")
        if claim.params["at_period_end"] and subscription.status not in CHANGEABLE:
            raise WrongState(f"A subscription that is {subscription.status} can only be cancelled at once.")
        # An agreed end that is no later than the period's is not put off, unless to another that is agreed on.
        is_agreed = subscription.ends_as_agreed and subscription.is_cancelled
        if not (claim.params["at_period_end"] and is_agreed) or claim.params.get("cancel_at"):
            return
        # Who says why is heard all the same.
        claim.is_answered = not (claim.params.get("reason") or claim.params.get("comment"))
        claim.params["end"] = {"cancel_at_period_end": None}

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set its end, or end it; what was scheduled for the period's end is dropped."""
        if claim.params.get("puts_off"):
            found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
            return end_with_plan(claim, found)
        if claim.params["at_period_end"]:
            if claim.params.get("refund_unused"):
                check_claimed_credit(claim, subscription_change(claim.params))
            if "end" not in claim.params:
                let_go(claim, of_one_change=True)
            return change_at_provider(claim)
        end = _end(claim)
        if end.credits_unused:
            check_paid(claim.gateway, claim.seen)
        _drop_waiting_change(claim)
        report_last_use(claim.seen)
        # A refusal of what is given back leaves the subscription as it is, and not one that is over without it.
        give_back(claim)
        snapshot: SubscriptionSnapshot = claim.gateway.end_subscription(
            claim.seen.provider_id, end, idempotency_key=claim.key
        )
        return snapshot

    def apply(self, claim: CustomerClaim, answer: SubscriptionSnapshot) -> str:
        """Bring the subscription to what the provider says; the date that the seller has named is an agreed end."""
        if claim.params.get("cancel_at"):
            note_agreed_end(lock_subscription(claim.seen.pk), datetime.fromisoformat(claim.params["cancel_at"]))
        write_given_back(claim)
        return super().apply(claim, answer)

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it has ended: that happens once, after all is given back."""
        if claim.params["at_period_end"]:
            return None
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return None if found.ended_at is None else found


class ResumeVerb(SubscriptionVerb):
    """Let a cancelled subscription go on."""

    kind = BillingOperationKind.RESUME

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what is cancelled and still runs go on, with a plan that renews, and no longer than was agreed."""
        if not subscription.is_valid or not (subscription.on_grace_period or subscription.ends_as_agreed):
            raise WrongState("Only a cancelled subscription whose period still runs can be resumed.")
        if subscription.plan is not None and not subscription.plan.auto_renew:
            raise WrongState("This plan does not renew.")
        if claim.params["lift_agreed_end"]:
            return
        if subscription.ends_as_agreed:
            raise WrongState("This subscription ends on the date that was agreed on.", code="agreed_end")
        claim.params["end"] = going_on(subscription)

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set that it renews."""
        let_go(claim)
        return change_at_provider(claim)


CANCEL_SUBSCRIPTION = register(CancelVerb())
RESUME_SUBSCRIPTION = register(ResumeVerb())


def cancel_subscription(
    *,
    subscription: Subscription,
    at_period_end: bool = True,
    cancel_at: datetime | None = None,
    refund_unused: str = "",
    reason: str = "",
    comment: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Let a subscription end with its period, at a date, or at once; what is cancelled already stays so.

    At once, what waits for an invoice is invoiced now, and so is what was used and is charged by use. What would be a
    credit in all, for a change to less that no invoice has taken off yet, is dropped unless the rest is given back.

    Args:
        at_period_end: ``False`` ends it now.
        cancel_at: a date to end on instead, which is an agreed end: no request of the customer's takes it back.
        refund_unused: what becomes of the unused rest of the period: "" keeps it, "credit" lowers the customer's next
            invoices, and "refund" gives back what was paid for it; "refund" only for an end at once.
        reason: the customer's, one of ``FEEDBACK``. ``comment``: in the customer's words.

    Raises:
        InvalidInput: the values are not acceptable, or do not go together.
        WrongState: it is over, or was never started; or a part of the rest cannot be refunded ("not_refundable"), or
            what would be credited was not paid ("open_invoice", "unpaid_period"), in which cases nothing is done.
        UnsupportedByGateway: this provider cannot give the rest back.
        ProviderError: the provider refused or failed.
    """
    _check_asked(at_period_end, cancel_at, refund_unused, reason, comment)
    params: dict[str, Any] = {
        "at_period_end": at_period_end,
        "cancel_at_period_end": True,
        "cancel_at": cancel_at.isoformat() if cancel_at else None,
        "proration": "create_prorations" if refund_unused else "none",
        "refund_unused": refund_unused,
        "reason": reason,
        "comment": comment,
    }

    def find() -> dict[str, Any]:
        if refund_unused == "refund":
            return _find_refunds(subscription, origin)
        return {} if at_period_end or refund_unused else _find_credit(subscription)

    return run_on_subscription(CANCEL_SUBSCRIPTION, subscription, params, idempotency_key, origin, find)


def give_up_unpaid(subscription: Subscription, origin: Origin) -> None:
    """End a subscription whose first invoice is open, after which that cannot be paid any more.

    Raises:
        WrongState: it was paid meanwhile, or has ended.
        ProviderError: the provider refused or failed.
    """
    params = {"at_period_end": False, "unpaid_invoice_id": subscription.latest_invoice_id}
    run_on_subscription(CANCEL_SUBSCRIPTION, subscription, params, None, origin)


def _find_refunds(subscription: Subscription, origin: Origin) -> dict[str, Any]:
    """Return what is refunded; of a subscription that has ended at the provider nothing, and it is known then."""
    try:
        # What was used is worth as much less.
        report_last_use(subscription)
        return unused_refunds(subscription)
    except ProviderUnavailable:
        raise
    except ProviderError:
        if not look_up_subscription(subscription.pk, origin).has_ended:
            raise
    return {}


def _find_credit(subscription: Subscription) -> dict[str, Any]:
    """Return whether what waits for an invoice is a credit in all, which nobody has granted to who leaves now."""
    gateway = billing_gateway_of(subscription)
    if subscription.status not in BILLED or not subscription.provider_id or not gateway.supports_preview:
        return {}
    try:
        last = gateway.preview_end(
            subscription.provider_id, subscription.customer.provider_id or "", credits_unused=False
        )
    except ProviderUnavailable:
        raise
    except ProviderError:
        # It is over at the provider, or nothing waits; the call will tell.
        return {}
    return {"drops_pending": last.total < last.sellers_items}


def _check_asked(
    at_period_end: bool, cancel_at: datetime | None, refund_unused: str, reason: str, comment: str
) -> None:
    if refund_unused not in ("", *REFUNDS):
        raise InvalidInput(f"The unused rest is one of {', '.join(REFUNDS)}.", field="refund_unused")
    if reason and reason not in FEEDBACK:
        raise InvalidInput(f"The reason is one of {', '.join(FEEDBACK)}.", field="reason")
    if len(comment) > MAX_COMMENT:
        raise InvalidInput(f"The comment has {MAX_COMMENT} characters at most.", field="comment")
    if cancel_at is not None and not at_period_end:
        raise InvalidInput("A subscription ends at once or on a date.", field="cancel_at")
    check_moment(cancel_at, field="cancel_at", is_to_come="The date must be in the future.")
    if refund_unused and at_period_end and (cancel_at is None or refund_unused == "refund"):
        raise InvalidInput("Only an end at once leaves a rest that is given back so.", field="refund_unused")


def _drop_waiting_change(claim: CustomerClaim) -> None:
    """Take back the invoice of a change that waits for its payment: it could still be paid, and for nothing then.

    Stripe takes it back when the change expires, is replaced, or is overtaken by a schedule, and not at the end of the
    subscription (https://docs.stripe.com/billing/subscriptions/pending-updates-reference).
    """
    if not claim.seen.has_pending_update:
        return
    found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
    invoice = found.latest_invoice
    if found.has_pending_update and invoice is not None and invoice.status == "open":
        claim.gateway.void_invoice(invoice.invoice_id, idempotency_key=f"{claim.key}-void")


def _end(claim: CustomerClaim) -> SubscriptionEnd:
    """Return how a subscription ends at once.

    A refund gives back the rest without what waits for an invoice, which is therefore not invoiced, and nothing is
    credited; Stripe drops what is prorated of it, and charges later what the seller has put there. Where no rest is
    left after that, the last invoice charges the difference.
    """
    params = claim.params
    has_rest = params.get("has_rest")
    settles_pending = claim.seen.status in CHANGEABLE and not has_rest and not params.get("drops_pending")
    return SubscriptionEnd(
        credits_unused=params.get("refund_unused") == "credit" or (settles_pending and has_rest is False),
        settles_pending=settles_pending,
        unpaid_invoice_id=params.get("unpaid_invoice_id", ""),
        feedback=params.get("reason", ""),
        comment=params.get("comment", ""),
    )


def resume_subscription(
    *,
    subscription: Subscription,
    lift_agreed_end: bool = False,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Take back a customer's cancellation while the period still runs; an end that was agreed on holds again.

    Args:
        lift_agreed_end: ``True`` also takes back the date of a contract, so that the subscription ends no more.

    Raises:
        WrongState: it is over, or was not cancelled; or its plan does not renew; or it ends as agreed ("agreed_end").
        ProviderError: the provider refused or failed.
    """
    params = {"cancel_at_period_end": False, "lift_agreed_end": lift_agreed_end}
    return run_on_subscription(RESUME_SUBSCRIPTION, subscription, params, idempotency_key, origin)


def cancellations(subscription: Subscription | OuterRef) -> QuerySet[BillingOperation]:
    """Return what was asked for to end a subscription, and was not refused."""
    rows = CANCEL_SUBSCRIPTION.operations().filter(kind=CANCEL_SUBSCRIPTION.kind, subscription=subscription)
    return rows.exclude(state=OperationState.FAILED)


def open_starts(subscription: Subscription | OuterRef) -> QuerySet[BillingOperation]:
    """Return what has started a subscription that is to end, without an end: nobody knew its plan's period yet."""
    starts = BillingOperation.objects.using(payments_database()).filter(kind=BillingOperationKind.SUBSCRIBE)
    return starts.filter(subscription=subscription, params__ends_later=True)


def end_with_period(subscription: Subscription, origin: Origin) -> None:
    """See to it that a locked subscription that is to end does so with the period of its plan, as it was said.

    An operation is committed with the event, and carried out after it; ``reconcile`` finds it if that fails.
    """
    if subscription.status not in CHANGEABLE:
        return
    params: dict[str, Any] = {"at_period_end": True, "cancel_at_period_end": True}
    if ends_before_plan(subscription):
        if CANCEL_SUBSCRIPTION.operations().pending().filter(subscription=subscription).exists():
            # Which may be what sets the end; who settles it leaves it right, or ``reconcile`` comes here again.
            return
        params["puts_off"] = True
    elif not _lacks_end(subscription):
        return
    ask_after_commit(CANCEL_SUBSCRIPTION, subscription.customer_id, params, origin, subscription=subscription)


def _lacks_end(subscription: Subscription) -> bool:
    """Return whether a plan that does not renew goes on because the start of its subscription has not said so.

    A page cannot say so of what it will start, nor anybody of several periods which one is the plan's before they have
    begun. What would end with its trial would not be paid once.
    """
    plan = subscription.plan
    if plan is None or plan.auto_renew:
        return False
    if not subscription.is_valid or subscription.on_trial:
        return False
    if subscription.is_cancelled or subscription.cancel_at is not None:
        return False
    if not subscription.checkout_id and not open_starts(subscription).exists():
        return False
    return not cancellations(subscription).exists()


@retry_on_deadlock
def end_unended(subscription_pk: int, origin: Origin) -> None:
    """Do so for a subscription whose events have not arrived."""
    with money_transaction():
        end_with_period(lock_subscription(subscription_pk), origin)
