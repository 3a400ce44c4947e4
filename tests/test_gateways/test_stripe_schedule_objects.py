"""What a schedule's phases are sent back as, when one thing of them is to be another."""

from __future__ import annotations

import json
from typing import Any

from django_stripe_gateway.gateways.stripe.schedule_objects import schedule_snapshot
from tests.fake_stripe import openapi

NOW, NEXT, END = 1_700_000_000, 1_702_592_000, 1_705_184_000
METHOD = {"default_payment_method": "pm_1"}
SELF = {"type": "self"}


def phase(start: int, end: int, **fields: Any) -> dict[str, Any]:
    item = {"price": "price_1", "plan": "price_1", "quantity": 2, "metadata": {}, "tax_rates": [], "discounts": []}
    return {"start_date": start, "end_date": end, "items": [item], "add_invoice_items": [], **fields}


def schedule(*phases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    base = {"id": "sub_sched_1", "object": "subscription_schedule", "status": "active", "customer": "cus_1"}
    current = {"start_date": NOW, "end_date": NEXT}
    return {**base, "current_phase": current, "phases": list(phases), "end_behavior": "release", **fields}


def form(value: Any) -> Any:
    """Return parameters as they come out of a form."""
    if isinstance(value, dict):
        return {name: form(one) for name, one in value.items()}
    if isinstance(value, list):
        return {str(index): form(one) for index, one in enumerate(value)}
    return json.dumps(value).strip('"')


def test_terms_of_a_phase() -> None:
    fee = {"price": {"id": "price_2"}, "quantity": 1, "discountable": False, "metadata": None, "tax_rates": None}
    begins, ends = {"type": "phase_start", "timestamp": None}, {"type": "timestamp", "timestamp": END}
    terms = phase(
        NEXT,
        END,
        add_invoice_items=[{**fee, "discounts": [{"coupon": "c1"}], "period": {"start": begins, "end": ends}}],
        automatic_tax={"enabled": True, "liability": {"type": "account", "account": "acct_1"}},
        billing_thresholds={"amount_gte": 500, "reset_billing_cycle_anchor": None},
        invoice_settings={"account_tax_ids": [{"id": "atxi_1"}], "footer": "Thanks", "issuer": SELF},
        default_payment_method={"id": "pm_1"},
        transfer_data={"destination": {"id": "acct_2"}, "amount_percent": None},
    )
    past = phase(NOW - 5, NOW, description="past")
    (sent,) = schedule_snapshot(schedule(past, phase(NOW, NEXT), terms)).following
    assert sent == {
        "start_date": NEXT,
        "end_date": END,
        "items": [{"price": "price_1", "quantity": 2}],
        "add_invoice_items": [
            {
                "price": "price_2",
                "quantity": 1,
                "discountable": False,
                "discounts": [{"coupon": "c1"}],
                "period": {"start": {"type": "phase_start"}, "end": {"type": "timestamp", "timestamp": END}},
            }
        ],
        "automatic_tax": {"enabled": True, "liability": {"type": "account", "account": "acct_1"}},
        "billing_thresholds": {"amount_gte": 500},
        "invoice_settings": {"account_tax_ids": ["atxi_1"], "footer": "Thanks"},
        "default_payment_method": "pm_1",
        "transfer_data": {"destination": "acct_2"},
    }
    # All of it is a parameter at Stripe, of the type that it has here.
    openapi.check("POST", "/v1/subscription_schedules/sub_sched_1", form({"phases": [sent]}))


def test_what_the_present_phase_has_added_is_not_added_again() -> None:
    present = phase(NOW, NEXT, add_invoice_items=[{"price": "price_2", "quantity": 1}])
    assert "add_invoice_items" not in schedule_snapshot(schedule(present)).present


def test_payment_method() -> None:
    now, later = phase(NOW, NEXT), phase(NEXT, END)
    found = [
        schedule_snapshot(one).has_payment_method
        for one in (
            schedule(now, later, default_settings={"default_payment_method": None}),
            schedule(now, later, default_settings=METHOD),
            schedule({**now, **METHOD}, later),
            schedule(now, {**later, **METHOD}),
            schedule(phase(NOW - 5, NOW, **METHOD), now, later),
        )
    ]
    assert found == [False, True, True, True, False]
