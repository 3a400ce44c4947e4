"""Payments at the bank: opened, paid on its page, taken, released, refunded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.third_provider.bank.ledger import Ledger, Object, Refused


class Payments(Ledger):
    """One object for each payment; the bank takes an authorisation wholly or not at all."""

    url: str

    def open_payment(self, amount: str, currency: str, hold: bool, reference: Object, back: str) -> Object:
        """Open a payment that waits for its customer."""
        made = self.add(
            "payment",
            "ap",
            state="open",
            amount=amount,
            currency=currency,
            taken="0",
            hold=hold,
            reference=reference,
            back=back,
            problem="",
        )
        made["page"] = f"{self.url}/pay/{made['id']}"
        return made

    def get_payment(self, payment: str) -> Object:
        """Return a payment."""
        return self.find(payment, "payment")

    def take(self, payment: str, amount: str) -> Object:
        """Take what was authorised."""
        found = self._in_state(payment, "held")
        if Decimal(amount) != Decimal(found["amount"]):
            raise Refused(409, "amount_differs")
        found |= {"state": "paid", "taken": found["amount"]}
        self.announce("payment.paid", found)
        return found

    def void(self, payment: str) -> Object:
        """Close an open payment, or release an authorised one."""
        found = self._in_state(payment, "open", "held")
        found["state"] = "void"
        return found

    def give_back(self, payment: str, amount: str, reference: Object) -> Object:
        """Refund a part of what was taken."""
        found = self._in_state(payment, "paid")
        given = sum((Decimal(refund["amount"]) for refund in self.list_refunds(payment)), Decimal(0))
        if given + Decimal(amount) > Decimal(found["taken"]):
            raise Refused(409, "refund_too_large")
        refund = self.add(
            "refund", "ar", payment=payment, amount=amount, currency=found["currency"], reference=reference
        )
        self.announce("refund.made", refund)
        return refund

    def list_refunds(self, payment: str) -> list[Object]:
        """Return a payment's refunds."""
        self.find(payment, "payment")
        return self.all("refund", payment=payment)

    # What customers do on the bank's page.

    def customer_pays(self, payment: str) -> Object:
        """Let the customer pay, and return the event about it."""
        found = self._in_state(payment, "open")
        found |= {"state": "held" if found["hold"] else "paid", "problem": ""}
        found["taken"] = "0" if found["hold"] else found["amount"]
        return self.announce(f"payment.{found['state']}", found)

    def customer_is_declined(self, payment: str) -> None:
        """Let the customer's card be declined; they may try another one."""
        self._in_state(payment, "open")["problem"] = "card_declined"

    def _in_state(self, payment: str, *states: str) -> Any:
        found = self.find(payment, "payment")
        if found["state"] not in states:
            raise Refused(409, "wrong_state", f"The payment is {found['state']}.")
        return found
