"""Which item of a subscription is its plan, and the rows that follow its items.

The provider promises no order of items, and prices come along that nobody here has made: what an item is to us is
decided by the catalogue alone, and comes out the same in every order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from django_stripe_gateway.choices import SubscriptionItemKind
from django_stripe_gateway.gateways.billing_values import SubscriptionItemSnapshot
from django_stripe_gateway.models import Plan, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.snapshots import verify_lengths
from django_stripe_gateway.services.subscriptions.cycles import UNKNOWN_CYCLE, Cycle
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.services.usage.carrying import learn_period

# Fields of the rows that carry the same name in the snapshot.
PERIOD = ("current_period_start", "current_period_end")
MIRRORED_OF_ITEM = (*"price_id product_id amount currency interval interval_count is_metered".split(), *PERIOD)
FOUND = ("kind", "plan", "pricing")
# Fields of a subscription that are those of the item that is its plan.
OF_PLAN = ("plan", "pricing", "item_id", "price_id", "quantity", *PERIOD)


@dataclass(slots=True)
class SyncedItems:
    """The items of a subscription as they are now, each with its plan and its price, and what that changed.

    Args:
        moved: those with another paid period than before.
        cycles: how often each was paid before, by the item's id at the provider.
    """

    items: list[SubscriptionItem]
    main: SubscriptionItem | None
    added: list[SubscriptionItem]
    changed: list[SubscriptionItem]
    removed: list[SubscriptionItem]
    moved: list[SubscriptionItem]
    cycles: Mapping[str, Cycle]

    @property
    def differ(self) -> bool:
        """Whether anything changed, beside a period that has followed another."""
        return bool(self.added or self.changed or self.removed)


def sync_items(subscription: Subscription, snapshots: Sequence[SubscriptionItemSnapshot]) -> SyncedItems:
    """Bring the rows of a locked subscription's items to what the provider says.

    Raises:
        SnapshotMismatch: a text is longer than its column.
    """
    rows = SubscriptionItem.objects.using(payments_database())
    stored = rows.filter(subscription=subscription).select_related("plan", "pricing")
    known = {item.provider_id: item for item in stored}
    before = {item: _values(item) for item in known.values()}
    cycles = {item.provider_id: Cycle(item.interval, item.interval_count) for item in known.values()}
    items = [
        known.pop(one.item_id)
        if one.item_id in known
        else SubscriptionItem(subscription=subscription, provider_id=one.item_id, added_at=one.created)
        for one in snapshots
    ]
    moved: list[tuple[SubscriptionItem, Plan | None, bool]] = []
    for item, snapshot in zip(items, snapshots, strict=True):
        verify_lengths(item, snapshot, MIRRORED_OF_ITEM)
        if (item.price_id, item.product_id) != (snapshot.price_id, snapshot.product_id):
            moved.append((item, item.plan, item.is_metered))
        for name in MIRRORED_OF_ITEM:
            value = getattr(snapshot, name)
            # A period that was known and then missing says that an old answer lacks it.
            setattr(item, name, value if value is not None or name not in PERIOD else getattr(item, name))
        item.quantity = 1 if snapshot.quantity is None else snapshot.quantity
    find_plans(subscription.variant, [item for item in items if not _is_identified(item)])
    # What is charged anew, for another plan than before, or for the plan itself instead of its use.
    newcomers = {
        item.provider_id for item, plan, was_metered in moved if item.pk is None or item.plan != plan or was_metered
    }
    main = main_item(items, subscription.item_id, newcomers)
    name_kinds(items, main)
    removed, added = list(known.values()), [item for item in items if item.pk is None]
    if removed:
        rows.filter(pk__in=[item.pk for item in removed]).delete()
    if added:
        rows.bulk_create(added)
    written = [item for item in items if item in before and _values(item) != before[item]]
    for item in written:
        item.save(using=payments_database(), update_fields=["quantity", *MIRRORED_OF_ITEM, *FOUND, "modified"])
    changed = [item for item in written if _values(item)[: -len(PERIOD)] != before[item][: -len(PERIOD)]]
    renewed = [item for item in written if _values(item)[-len(PERIOD) :] != before[item][-len(PERIOD) :]]
    return SyncedItems(items, main, added, changed, removed, renewed, cycles)


def find_plans(variant: str, items: Sequence[SubscriptionItem]) -> None:
    """Find what the catalogue knows of items: their price, and the plan by that price or else by its product."""
    if not items:
        return
    rows = PlanPricing.objects.using(payments_database()).select_related("plan").filter(variant=variant)
    is_price = Q(stripe_price_id__in={item.price_id for item in items} - {""})
    is_product = Q(stripe_product_id__in={item.product_id for item in items} - {""})
    sold = list(rows.filter(is_price | is_product))
    by_price = {pricing.stripe_price_id: pricing for pricing in sold}
    by_product: dict[str, set[Plan]] = defaultdict(set)
    for pricing in sold:
        if pricing.stripe_product_id:
            by_product[pricing.stripe_product_id].add(pricing.plan)
    for item in items:
        item.pricing = by_price.get(item.price_id)
        plans = by_product.get(item.product_id, set()) if item.pricing is None else {item.pricing.plan}
        # A product that several plans share names none of them.
        item.plan = next(iter(plans)) if len(plans) == 1 else None


def name_kinds(items: Sequence[SubscriptionItem], main: SubscriptionItem | None) -> None:
    """Say of each item of one subscription what it is to us, ``main`` being its plan."""
    for item in items:
        item.kind = SubscriptionItemKind.PLAN if item is main and item.plan is not None else _kind(item)


def lack_periods(snapshots: Sequence[SubscriptionItemSnapshot]) -> bool:
    """Return whether an answer tells when the periods of some items end, and not those of others."""
    return len({one.current_period_end is None for one in snapshots}) > 1


def take_plan(subscription: Subscription, main: SubscriptionItem | None) -> None:
    """Let a subscription be what the item says that is its plan; an item that is unknown here says nothing of it."""
    subscription.plan, subscription.pricing = (None, None) if main is None else (main.plan, main.pricing)
    subscription.item_id, subscription.price_id = ("", "") if main is None else (main.provider_id, main.price_id)
    subscription.quantity = 1 if main is None else main.quantity
    if main is not None and main.current_period_end is not None:
        subscription.current_period_start = main.current_period_start
        subscription.current_period_end = main.current_period_end


def follow_periods(subscription: Subscription, before: Subscription, items: SyncedItems | None = None) -> None:
    """Note when a period begins that cuts another one short, instead of following it: use goes on in it then.

    The one that is cut short may be a renewal that was not heard of; so a later beginning alone makes no renewal. Where
    an end has moved, the counters learn of it.

    Args:
        before: the subscription before it took over its period of now.
        items: what came with that.
    """
    has_moved = any(getattr(subscription, name) != getattr(before, name) for name in PERIOD)
    whose: dict[tuple[datetime | None, datetime | None], set[str]] = defaultdict(set)
    for item in items.moved if items else ():
        whose[item.current_period_start, item.current_period_end].add(item.provider_id)
    if has_moved:
        whose[subscription.current_period_start, subscription.current_period_end].add("")
    for (first, end), item_ids in whose.items():
        if first is not None and end is not None:
            learn_period(subscription.customer.owner_id, first, end, item_ids)
    starts, ended = subscription.current_period_start, before.current_period_end
    cycle = items.cycles.get(before.item_id, UNKNOWN_CYCLE) if items else UNKNOWN_CYCLE
    if starts is None or starts == before.current_period_start:
        return
    if before.current_period_start is None or ended is None or not cycle.is_renewal(starts, ended):
        subscription.periods_since = starts
    elif subscription.periods_since is None:
        subscription.periods_since = before.current_period_start


def main_item(
    items: Iterable[SubscriptionItem], held_id: str = "", newcomers: Collection[str] = ()
) -> SubscriptionItem | None:
    """Return the item that is the subscription's plan, whose price and quantity a change changes.

    Of several plans in one subscription it is the dearest, and of several prices of that plan one that the catalogue
    sells, then the one that was charged first, by Stripe's time: what comes along, such as seats beside a base fee, is
    charged beside it. But what the catalogue has learned of only after it was charged, beside a plan, stays beside it:
    whoever has that plan would else lose it by a pull, and a change would put the wrong item on the new price. Where
    the catalogue knows none of the items, it is the only one that has a quantity; ``None`` where nothing says which.

    Args:
        held_id: of the item that has been the plan so far.
        newcomers: the ids of the items that are charged since, or for another plan since; no others bring another plan.
    """
    items = list(items)
    plans = [item for item in items if item.plan is not None and not item.plan.is_add_on]
    held = next((item for item in plans if item.provider_id == held_id and not item.is_metered), None)
    competing = plans
    if held is not None:
        competing = [item for item in plans if item.plan == held.plan or item.provider_id in newcomers]
    if plans:
        dearest = max(competing, key=lambda item: item.rank)
        of_plan = [item for item in plans if item.plan == dearest.plan]
        return max(
            of_plan, key=lambda item: (not item.is_metered, item.pricing is not None, -_charged_since(item), item.rank)
        )
    unknown = [item for item in items if item.plan is None and not item.is_metered]
    return unknown[0] if len(unknown) == 1 else None


def _charged_since(item: SubscriptionItem) -> float:
    """Return since when an item is charged, in seconds; 0 where nobody says."""
    return item.added_at.timestamp() if item.added_at else 0.0


def left_with_plan(
    subscription: Subscription, item_id: str, next_plan_pk: int | None, next_price_id: str | None
) -> list[SubscriptionItem]:
    """Return what a change to another plan ends beside the item that it changes: the other prices of the plan.

    With seats beside a base fee the plan is both. Who leaves it would else be charged on for a plan that is not theirs
    any more. What a meter counts is charged for what was used, and stays, unless the next price charges that use.

    Args:
        item_id: the item that is changed.
        next_plan_pk: ``None`` where the plan stays, and ``next_price_id``, the provider's, where the price stays.
    """
    if subscription.plan_id is None or next_plan_pk in (None, subscription.plan_id):
        return []
    rows = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
    sold = PlanPricing.objects.using(payments_database()).filter(variant=subscription.variant)
    metered = sold.filter(stripe_price_id=next_price_id).exclude(metric="")
    same_use = Q(kind=SubscriptionItemKind.METERED, pricing__metric__in=metered.values("metric"))
    rows = rows.filter(Q(kind=SubscriptionItemKind.PLAN) | same_use, plan=subscription.plan_id)
    return list(rows.exclude(provider_id=item_id).order_by("provider_id"))


def _is_identified(item: SubscriptionItem) -> bool:
    """Return whether an item has its price, as the catalogue has it now."""
    found = item.pricing
    return found is not None and (found.stripe_price_id, found.plan_id) == (item.price_id, item.plan_id)


def _kind(item: SubscriptionItem) -> SubscriptionItemKind:
    if item.plan is None:
        return SubscriptionItemKind.UNKNOWN
    if item.is_metered:
        return SubscriptionItemKind.METERED
    return SubscriptionItemKind.ADD_ON if item.plan.is_add_on else SubscriptionItemKind.PLAN


def _values(item: SubscriptionItem) -> tuple[object, ...]:
    names = ("quantity", *FOUND, *MIRRORED_OF_ITEM)
    columns = {"plan": "plan_id", "pricing": "pricing_id"}
    return tuple(getattr(item, columns.get(name, name)) for name in names)
