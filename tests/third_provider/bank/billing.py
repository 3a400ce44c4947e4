"""What the bank bills again and again: every plan is charged at once, and nothing is prorated."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from tests.third_provider.bank.ledger import Ledger, Object, Refused

DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
DAY = 86400
#: Brand and last digits of the cards that can be saved; one of them has no money.
CARDS = {"acme_card": ("acme", "1111"), "acme_card_empty": ("acme", "2222")}


class Billing(Ledger):
    """Products, prices, customers with their cards, subscriptions and invoices."""

    def make(self, kind: str, fields: Object) -> Object:
        """Store a product, a price or a customer."""
        prefixes = {"product": "apr", "price": "apx", "customer": "acu"}
        return self.add(kind, prefixes[kind], active=True, **fields)

    def change(self, kind: str, object_id: str, fields: Object) -> Object:
        """Change what ``make`` has stored."""
        found = self.find(object_id, kind)
        found |= {name: value for name, value in fields.items() if value not in (None, "")}
        return found

    def get(self, kind: str, object_id: str) -> Object:
        """Return an object of any kind."""
        return self.find(object_id, kind)

    def list(self, kind: str, fields: Object) -> Any:
        """Return all objects of a kind, the newest first."""
        return self.all(kind, **fields)

    def open_setup(self, customer: str, reference: Object) -> Object:
        """Let a customer add a card in the browser."""
        setup = self.add("setup", "ase", customer=self.find(customer, "customer")["id"], reference=reference)
        setup["secret"] = f"{setup['id']}-only-for-the-browser"
        return setup

    def attach(self, card: str, customer: str) -> Object:
        """Save a card."""
        if card not in CARDS:
            raise Refused(402, "card_declined", "The card was declined.")
        brand, last4 = CARDS[card]
        return self.add("card", "aca", customer=customer, brand=brand, last4=last4, token=card)

    def detach(self, card: str) -> Object:
        """Forget whose card it is."""
        found = self.find(card, "card")
        found["customer"] = ""
        return found

    def subscribe(
        self, customer: str, price: str, quantity: int, trial_days: int, ends: bool, card: str, reference: Object
    ) -> Object:
        """Start a subscription and charge its first period."""
        payer, sold = self.find(customer, "customer"), self.find(price, "price")
        if not payer["active"]:
            raise Refused(404, "resource_missing", "There is no such customer.")
        card = card or payer.get("card", "")
        total = Decimal(sold["amount"]) * quantity
        if total and not card and not trial_days:
            raise Refused(402, "payment_method_missing", "The customer has no card.")
        now = int(time.time())
        made = self.add(
            "subscription",
            "asu",
            customer=customer,
            price=price,
            product=sold["product"],
            amount=sold["amount"],
            currency=sold["currency"],
            interval=sold["interval"],
            quantity=quantity,
            reference=reference,
            ends=ends,
            state="trialing" if trial_days else "active",
            since=now,
            until=now + (trial_days or DAYS[sold["interval"]] * sold["count"]) * DAY,
            trial=bool(trial_days),
            ended=None,
            invoice=None,
        )
        if not trial_days:
            self._bill(made, total, sold, card)
        self.announce("subscription.started", made)
        return made

    def change_subscription(self, subscription: str, price: str | None, quantity: int | None, ends: Any) -> Object:
        """Change price, quantity or end, from the next period on."""
        found = self.find(subscription, "subscription")
        if found["state"] == "ended":
            raise Refused(409, "wrong_state", "The subscription has ended.")
        if price is not None:
            sold = self.find(price, "price")
            found |= {"price": price, **{name: sold[name] for name in ("product", "amount", "currency", "interval")}}
        found["quantity"] = found["quantity"] if quantity is None else quantity
        found["ends"] = found["ends"] if ends is None else ends
        return found

    def end(self, subscription: str) -> Object:
        """End a subscription at once."""
        found = self.find(subscription, "subscription")
        if found["state"] != "ended":
            found |= {"state": "ended", "ended": int(time.time())}
            self.announce("subscription.ended", found)
        return found

    def _bill(self, subscription: Object, total: Decimal, sold: Object, card: str) -> None:
        is_paid = not total or self.find(card, "card")["token"] == "acme_card"
        subscription["state"] = "active" if is_paid else "incomplete"
        subscription["invoice"] = self.add(
            "invoice",
            "ain",
            customer=subscription["customer"],
            subscription=subscription["id"],
            currency=sold["currency"],
            total=str(total),
            paid=str(total if is_paid else Decimal(0)),
            quantity=subscription["quantity"],
            price=sold["id"],
            since=subscription["since"],
            until=subscription["until"],
            paid_at=int(time.time()) if is_paid else None,
        )
