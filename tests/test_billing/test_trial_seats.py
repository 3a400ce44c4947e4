"""What is free in a trial: as many seats as the customer asks for, unless the seller gives it to one only."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway.models import PlanPricing
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


def paid(host: SubscriptionHost) -> int:
    return sum(one["amount_paid"] for one in host.fake.all("invoice"))


def test_seats__are_free_in_the_trial_of_a_price_per_seat(host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(pk=host.premium.pk).update(trial_days=14, is_per_seat=True)
    mine = host.subscribed(host.premium)
    host.change_card(mine, "pm_card_visa")
    assert host.post("change", {"subscription_id": mine.provider_id, "quantity": 500}).status_code == 200
    host.deliver_new()
    assert (now(mine).status, now(mine).quantity, paid(host)) == ("trialing", 500, 0)
    # Those that are there at its end are charged.
    host.fake.advance(days=15)
    host.deliver_new()
    assert (now(mine).status, paid(host)) == ("active", 500 * 5000)


def test_seats__are_charged_where_another_price_has_the_trial(host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(pk=host.premium.pk).update(trial_days=14)
    seats = host.sell("premium", Decimal("15.00"), is_per_seat=True)
    assert host.post("subscribe", {"pricing_id": host.premium.pk, "quantity": 500}).status_code == 400
    mine = host.subscribed(host.premium, pricing_id=host.premium.pk)
    host.change_card(mine, "pm_card_visa")
    body = {"subscription_id": mine.provider_id}
    assert host.post("change", body | {"quantity": 500}).status_code == 400
    assert host.post("change", body | {"pricing_id": seats.pk, "quantity": 5}).status_code == 200
    host.deliver_new()
    assert (now(mine).status, now(mine).quantity, paid(host)) == ("active", 5, 5 * 1500)
