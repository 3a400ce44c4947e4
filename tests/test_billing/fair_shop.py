"""What the customer of ``test_fair_dealing`` can buy, and what they add to their requests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from django_stripe_gateway.models import Plan, PlanPricing
from tests.test_billing.host import SubscriptionHost

# What is not for customers, and what is no field at all.
HOSTILE = (
    st.just(dict[str, Any]())
    | st.just(dict[str, Any]())
    | st.dictionaries(
        st.sampled_from(
            [
                *("proration", "proration_date", "cancel_at", "refund_unused", "behavior", "resumes_at", "trial_end"),
                *(
                    "trial_days",
                    "coupon",
                    "price",
                    "amount",
                    "metadata",
                    "preview_token",
                    "prorate",
                    "customer",
                    "owner",
                ),
                *(
                    "billing_cycle_anchor",
                    "collection_method",
                    "days_until_due",
                    "at_period_end",
                    "quantity",
                    "preview",
                ),
            ]
        ),
        st.sampled_from(
            ["none", "void", "credit", "now", "9999-01-01T00:00:00Z", "2020-01-01T00:00:00Z", 0, -1, True, {}]
        ),
        min_size=1,
        max_size=2,
    )
)

which = st.integers(0, 20)
# Of many seats some minutes are worth more than what rounding hides.
many = st.sampled_from([100, 1000])
few = st.integers(1, 9) | many


class Shop:
    """A site that sells plans by the month and by the year, per seat, and an add-on."""

    def __init__(self, host: SubscriptionHost) -> None:
        self.host = host
        yearly = host.sell("premium", Decimal("480.00"), interval="year")
        self.plans = [host.basic, host.premium, yearly]
        self.support = host.sell("support", Decimal("7.00"), is_add_on=True)
        PlanPricing.objects.update(is_per_seat=True)
        PlanPricing.objects.filter(pk=self.support.pk).update(may_be_added=True)
        Plan.objects.create(slug="free", name="Free", is_default=True)
        coupons: list[dict[str, Any]] = [
            {"percent_off": 100, "duration": "once"},
            {"amount_off": 10_000, "currency": "usd", "duration": "once"},
            {"percent_off": 50, "duration": "forever"},
            {"percent_off": 80, "duration": "repeating", "duration_in_months": 3},
        ]
        self.codes = [f"CODE{number}" for number in range(len(coupons))]
        for code, coupon in zip(self.codes, coupons, strict=True):
            host.fake.promotion_code(host.fake.coupon(**coupon)["id"], code)
