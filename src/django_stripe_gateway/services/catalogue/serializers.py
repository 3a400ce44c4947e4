"""What a catalogue file may hold: the keys of a plan, of its prices and of its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from django_stripe_gateway.choices import LimitPeriod, PlanInterval, PriceUsage
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.catalogue.entries import LimitEntry, PlanEntry, PriceEntry
from django_stripe_gateway.services.catalogue.fields import (
    EntriesField,
    EntrySerializer,
    FlagField,
    NameField,
    NumberField,
    TextField,
    WholeNumberField,
    WordField,
)
from django_stripe_gateway.services.catalogue.rows import exact_amount
from django_stripe_gateway.services.catalogue.rules import (
    faults_between_prices,
    faults_of_limit,
    faults_of_plan,
    faults_of_price,
)

MAX_BIG = 2**63 - 1
# Of an error that is a sentence by itself, and does not go on where the key's name ends.
SENTENCE = "sentence"


class PriceSerializer(EntrySerializer):
    """A price; the context has the ``currency`` of those that name none."""

    named_by = "amount"

    currency = TextField()
    # Before the amount, whose precision it decides.
    usage_type = WordField(choices=PriceUsage.values, default=PriceUsage.LICENSED)
    amount = NumberField()
    interval = WordField(choices=PlanInterval.values, default=PlanInterval.MONTH)
    interval_count = WholeNumberField(min_value=1, default=1)
    trial_days = WholeNumberField(min_value=0, default=0)
    per_seat = FlagField(source="is_per_seat", default=False)
    metric = NameField(max_length=64, default="")
    default = FlagField(source="is_default", default=False)
    public = FlagField(source="is_public", default=True)
    customers_may_add = FlagField(source="may_be_added", default=False)
    lookup_key = TextField(max_length=200, default="")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the values."""
        self.known_currency, self.known_usage = "", str(PriceUsage.LICENSED)
        if isinstance(data, Mapping):
            data = {"currency": self.context["currency"], **data}
        return super().to_internal_value(data)

    def validate_currency(self, currency: str) -> str:
        """Return the currency if the provider charges in it."""
        currency = currency.upper()
        _exact_amount(Decimal(0), currency)
        self.known_currency = currency
        return currency

    def validate_usage_type(self, usage_type: str) -> str:
        """Return by what it is multiplied."""
        self.known_usage = usage_type
        return usage_type

    def validate_amount(self, amount: Decimal) -> Decimal:
        """Return the amount in the precision of its currency; what is wrong with that is said of the currency."""
        if not self.known_currency:
            return amount
        return _exact_amount(amount, self.known_currency, self.known_usage)

    def validate(self, attrs: dict[str, Any]) -> PriceEntry:
        """Return the price."""
        return PriceEntry(**attrs)


class LimitSerializer(EntrySerializer):
    """A limit of a plan."""

    named_by = "metric"

    metric = NameField(max_length=64)
    limit = WholeNumberField(min_value=0, max_value=MAX_BIG, allow_null=True)
    period = WordField(choices=LimitPeriod.values, default=LimitPeriod.DAY)
    per_unit = FlagField(source="is_per_unit", default=False)

    def validate(self, attrs: dict[str, Any]) -> LimitEntry:
        """Return the limit, if its parts agree with each other."""
        limit = LimitEntry(**attrs)
        _refuse(sentence for _field, sentence in faults_of_limit(limit))
        return limit


class PlanSerializer(EntrySerializer):
    """A plan with its prices and limits."""

    named_by = "slug"

    slug = NameField(max_length=64)
    name = TextField(max_length=128)
    description = TextField(default="", allow_blank=True)
    auto_renew = FlagField(default=True)
    default = FlagField(source="is_default", default=False)
    add_on = FlagField(source="is_add_on", default=False)
    active = FlagField(source="is_active", default=True)
    position = WholeNumberField(min_value=0, default=0)
    prices = EntriesField(child=PriceSerializer(), default=list)
    limits = EntriesField(child=LimitSerializer(), default=list)

    def validate(self, attrs: dict[str, Any]) -> PlanEntry:
        """Return the plan, if its parts agree with each other."""
        prices, limits = tuple(attrs.pop("prices")), tuple(attrs.pop("limits"))
        plan = PlanEntry(**attrs, prices=prices, limits=limits, is_complete=True)
        faults = [sentence for _field, sentence in faults_of_plan(plan)]
        for price in prices:
            sentences = (sentence for _field, sentence in faults_of_price(price, plan))
            faults += [f"price {price.amount} {price.currency}: {sentence}" for sentence in sentences]
        faults += faults_between_prices(prices)
        if len({(*price.every, price.amount) for price in prices}) < len(prices):
            faults.append("two prices are the same")
        if len({limit.metric for limit in limits}) < len(limits):
            faults.append("two limits have the same metric")
        _refuse(faults)
        return plan


class CatalogueSerializer(EntrySerializer):
    """A whole file."""

    plans = EntriesField(child=PlanSerializer())


def _refuse(faults: Iterable[str]) -> None:
    found = list(faults)
    if found:
        raise serializers.ValidationError(found)


def _exact_amount(amount: Decimal, currency: str, usage_type: str = PriceUsage.LICENSED) -> Decimal:
    try:
        return exact_amount(amount, currency, usage_type)
    except InvalidInput as error:
        raise serializers.ValidationError(error.detail, code=SENTENCE) from None
