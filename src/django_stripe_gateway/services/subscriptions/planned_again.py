"""What was scheduled for a subscription, and was let go for something else that the provider has refused then.

It is kept with the operation before it is let go: whoever carries on a killed one plans it again as well.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django_stripe_gateway.exceptions import GatewayError, ProviderUnavailable
from django_stripe_gateway.gateways.schedule_values import ScheduledChange, ScheduleSnapshot
from django_stripe_gateway.services.operations.verbs import Claim

# Under this name an operation's params hold the schedule that was let go last, and the change that was planned first.
LET_GO = "let_go"

logger = logging.getLogger(__name__)


def keep_plan(claim: Claim[Any, Any], schedule: ScheduleSnapshot) -> None:
    """Store what a schedule has planned, before it is released."""
    kept = {**claim.params.get(LET_GO, {}), "schedule_id": schedule.schedule_id}
    change = _planned(schedule)
    if change is not None:
        kept["change"] = {**asdict(change), "at": change.at.isoformat()}
    claim.params[LET_GO] = kept
    claim.verb.operations().filter(pk=claim.operation.pk).update(params=claim.params)


def plan_again(claim: Claim[Any, Any]) -> None:
    """Plan what was let go for a call that was refused; what cannot be planned any more is lost, as the log says.

    Raises:
        ProviderUnavailable: nobody knows whether it is planned.
    """
    kept = claim.params.get(LET_GO, {})
    if "change" not in kept:
        return
    change = ScheduledChange(**{**kept["change"], "at": datetime.fromisoformat(kept["change"]["at"])})
    # Each schedule that was let go is made anew once.
    key = f"{claim.key}-again-{kept['schedule_id']}"
    try:
        schedule = claim.gateway.retrieve_subscription(claim.seen.provider_id).schedule
        is_running = schedule is not None and schedule.is_running
        if is_running and schedule.metadata == change.metadata and not schedule.holds_nothing:
            # An earlier attempt was killed before it let go, or has planned it again already.
            return
        if not (is_running and schedule.holds_nothing):
            schedule = claim.gateway.start_schedule(claim.seen.provider_id, idempotency_key=f"{key}-start")
        try:
            claim.gateway.schedule_change(schedule, change, idempotency_key=key)
        except ProviderUnavailable:
            raise
        except GatewayError:
            claim.gateway.release_schedule(schedule.schedule_id, idempotency_key=f"{key}-release")
            raise
    except ProviderUnavailable:
        raise
    except GatewayError as error:
        logger.warning("What was scheduled for subscription %s is lost: %s.", claim.seen.pk, error.code)


def _planned(schedule: ScheduleSnapshot) -> ScheduledChange | None:
    """Return the change that a schedule holds; ``None`` if that is none, or more than the price of one item."""
    phase = schedule.next_change
    if phase is None or schedule.phase is None:
        return None
    before = {item.price_id: item.quantity for item in schedule.phase.items}
    after = {item.price_id: item for item in phase.items}
    gone = [price_id for price_id in before if price_id not in after]
    changed = [item for item in phase.items if before.get(item.price_id, 0) != item.quantity]
    # What a new plan charges by use comes with it.
    changed.sort(key=lambda item: item.is_metered)
    if not changed or any(not one.is_metered or one.price_id in before for one in changed[1:]):
        return None
    item, *with_plan = changed
    return ScheduledChange(
        at=phase.start,
        from_price_id=gone[0] if gone else item.price_id,
        price_id=item.price_id,
        quantity=item.quantity,
        interval=item.interval or "month",
        interval_count=item.interval_count,
        is_metered=item.is_metered,
        renews=not schedule.ends,
        with_plan=[one.price_id for one in with_plan],
        left_price_ids=gone[1:],
        metadata=dict(schedule.metadata),
    )
