"""What becomes of trials. Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import canceling, invoicing, proration
from tests.fake_stripe.errors import invalid
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items

#: Stripe warns this long before a trial ends.
WARNING = 3 * DAY
_MOST_DAYS = 730


def check_days(days: float, param: str, *, least: int = 0) -> None:
    """Refuse a trial of too many days, or too few."""
    if days > _MOST_DAYS:
        raise invalid("The maximum number of trial period days is 730 (2 years).", param)
    if days < least:
        raise invalid(f"The minimum number of trial period days is {least}.", param)


def warn_of_end(scope: Scope, found: Object) -> None:
    """Warn three days before a trial ends, or at once if it is shorter."""
    if found["_warned_for"] != found["trial_end"] and scope.now() >= found["trial_end"] - WARNING:
        found["_warned_for"] = found["trial_end"]
        record(scope, "customer.subscription.trial_will_end", found)


def ends_without_method(scope: Scope, found: Object) -> bool:
    """Pause or cancel at a trial's end, where the subscription asks for that and nothing can be charged.

    Returns whether that was so.
    """
    behavior = found["trial_settings"]["end_behavior"]["missing_payment_method"]
    costs = any(proration.full_amount(item) for item in items(found))
    if behavior == "create_invoice" or not costs or found["collection_method"] == "send_invoice":
        return False
    if invoicing.method_of(scope, found):
        return False
    ended = min(found["trial_end"], scope.now())
    if behavior == "cancel":
        found["trial_end"] = ended
        canceling.cancel(scope, found)
        return True
    with changing(scope, found, "customer.subscription.updated", "customer.subscription.paused"):
        found.update(status="paused", trial_end=ended)
    return True
