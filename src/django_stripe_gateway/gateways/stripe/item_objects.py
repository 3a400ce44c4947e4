"""The items of a subscription, of both API generations and as localstripe makes them, as this app's frozen values."""

from __future__ import annotations

from dataclasses import replace

from django_stripe_gateway.choices import DAYS_OF_INTERVAL
from django_stripe_gateway.gateways.billing_values import SubscriptionItemSnapshot
from django_stripe_gateway.gateways.stripe.catalogue_objects import unit_amount
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    count_of,
    entries,
    metadata_of,
    moment,
    object_id,
    optional_text,
    part,
    text,
)


def item_snapshots(subscription: Object) -> list[SubscriptionItemSnapshot]:
    """Return the snapshots of the items that a subscription shows.

    Where it has several intervals, the one period that older generations show is that of the shortest.
    """
    shown = entries(subscription["items"])
    items = [item_snapshot(item, subscription) for item in shown]
    shortest = min(map(_days, items), default=0)
    return [
        item
        if obj.get("current_period_end") or _days(item) == shortest
        else replace(item, current_period_start=None, current_period_end=None)
        for item, obj in zip(items, shown, strict=True)
    ]


def _days(item: SubscriptionItemSnapshot) -> int:
    return DAYS_OF_INTERVAL.get(item.interval, 0) * item.interval_count


def item_snapshot(obj: Object, subscription: Object) -> SubscriptionItemSnapshot:
    """Return the snapshot of an item; older generations keep its period on the subscription.

    A price can be had in several currencies, of which it names the first. The subscription, or the phase of a schedule,
    says which one is charged (https://docs.stripe.com/products-prices/pricing-models#use-multi-currency-prices).
    """
    price = part(obj.get("price") or obj.get("plan") or subscription.get("plan"))
    recurring = part(price.get("recurring")) or price
    is_metered = recurring.get("usage_type") == "metered"
    quantity = obj.get("quantity", subscription.get("quantity"))
    currency = optional_text(subscription.get("currency") or price.get("currency"))
    return SubscriptionItemSnapshot(
        item_id=text(obj["id"]),
        price_id=optional_text(price.get("id")),
        product_id=object_id(price.get("product")),
        amount=unit_amount(_in_currency(price, currency), currency, is_metered=is_metered),
        currency=currency.upper(),
        interval=optional_text(recurring.get("interval")),
        interval_count=count_of(recurring.get("interval_count"), 1),
        is_metered=is_metered,
        quantity=None if is_metered and quantity is None else count_of(quantity, 1),
        current_period_start=moment(obj.get("current_period_start") or subscription.get("current_period_start")),
        current_period_end=moment(obj.get("current_period_end") or subscription.get("current_period_end")),
        created=moment(obj.get("created")),
        metadata=metadata_of(obj.get("metadata")),
    )


def _in_currency(price: Object, currency: str) -> Object:
    """Return a price as it is charged in a currency; what it costs in another than its first is told only if asked."""
    if price.get("currency") == currency:
        return price
    own = {name: price.get(name) for name in ("billing_scheme", "transform_quantity")}
    return {**own, **part(part(price.get("currency_options")).get(currency))}
