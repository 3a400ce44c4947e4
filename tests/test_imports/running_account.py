"""An account that has run for a while without this app, with some of every kind."""

from __future__ import annotations

import io
from typing import Any

from django.core.management import call_command

from tests.billing_factories import make_plan, make_pricing
from tests.fake_stripe import FakeStripe
from tests.test_fake_stripe.billing_shop import BillingShop


class RunningAccount(BillingShop):
    """Short ways to what the account holds, and to its import."""

    def __init__(self, fake: FakeStripe) -> None:
        super().__init__(fake)
        self.basic = self.price(2000)
        pricing = make_pricing(make_plan("basic"), stripe_price_id=self.basic, stripe_product_id=self.product)
        self.plan = pricing.plan

    def paid_page(self, customer: str = "", amount: int = 2000) -> dict[str, Any]:
        """Return a Checkout Session that was paid."""
        page = self.session(amount, **({"customer": customer} if customer else {}))
        self.fake.complete_checkout(page["id"])
        return self.fake.get(page["id"])

    def begin(self) -> None:
        """Forget what was asked for so far: from now on it is the import that asks."""
        self.fake.forget_requests()

    def written(self) -> list[str]:
        """Return the requests since then that changed something."""
        return [f"{one.method} {one.path}" for one in self.fake.requests if one.method != "GET"]


def run_import(command: str = "import_account", *args: str, **options: Any) -> str:
    """Run a command and return what it printed."""
    out = io.StringIO()
    call_command(command, *args, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def counts(printed: str) -> dict[str, dict[str, int]]:
    """Return the numbers of the summary, without the zeros, of the kinds that have any."""
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:2] == ["new", "known"])
    names = ["new", "known", "ambiguous", "unmatched", "left out", "failed"]
    found = {}
    for line in lines[start + 1 :]:
        cells = line.split()
        if len(cells) == len(names) + 1:
            found[cells[0]] = {name: int(cell) for name, cell in zip(names, cells[1:], strict=True) if cell != "0"}
    return {kind: numbers for kind, numbers in found.items() if numbers}
