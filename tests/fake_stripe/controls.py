"""What tests make customers, banks and the merchant's Dashboard do."""

from __future__ import annotations

import copy
from collections.abc import Callable

from tests.fake_stripe import cards, checkout, checkout_totals, customers, disputing, payments, refunding
from tests.fake_stripe.state import Object, Scope, State

Events = list[Object]


class Controls:
    """Methods of `FakeStripe`. Each returns the events that Stripe would send, in their order.

    With `deliver` the events go to the webhook endpoints, if there are any (see `FakeStripe.deliver_to`).
    """

    state: State

    def act(self, identifier: str, change: Callable[[Scope, Object], object], *, deliver: bool = True) -> Events:
        """Call `change` with the object of this id and its account, under the lock; return the events it recorded."""
        with self.state.acting(deliver=deliver) as events:
            scope, obj = self.state.locate(identifier)
            change(scope, obj)
        return [copy.deepcopy(event) for event in events]

    def delete_test_data(self) -> None:
        """Let the merchant delete all test data in the Dashboard: no object is known any more, and no event says so."""
        with self.state.acting():
            for scope in self.state.scopes():
                if not scope.livemode:
                    scope.objects.clear()

    def hide(self, identifier: str) -> tuple[Scope, Object]:
        """Answer about an object that there is none, until what this returns is handed to `show`."""
        with self.state.acting():
            scope, obj = self.state.locate(identifier)
            del scope.objects[obj["object"]][identifier]
        return scope, obj

    def show(self, hidden: tuple[Scope, Object]) -> None:
        """Answer about an object again that was hidden."""
        with self.state.acting():
            scope, obj = hidden
            scope.add(obj)

    def complete_checkout(
        self,
        session_id: str,
        payment_method: str = "card",
        outcome: str | None = None,
        *,
        deliver: bool = True,
    ) -> Events:
        """Let the customer finish the hosted page.

        `payment_method` is "card", "async" (a bank debit, settled later by `settle_async`) or a test name such as
        "pm_card_chargeDeclined" (declined: the session stays open). `outcome` "unpaid" means "async" too, and
        "no_payment_required" completes without an intent; "paid" is what a card does.
        """
        if outcome not in {None, "paid", "unpaid", "no_payment_required"}:
            raise ValueError(f"Unknown outcome {outcome!r}")
        kind = "async" if outcome == "unpaid" else payment_method
        return self.act(
            session_id, lambda scope, session: checkout.complete(scope, session, kind, outcome), deliver=deliver
        )

    def present_checkout(self, session_id: str, currency: str, amount: int) -> Events:
        """Let Stripe show an open session in its customer's currency (Adaptive Pricing)."""
        return self.act(session_id, lambda scope, session: checkout_totals.present(session, currency, amount))

    def choose_shipping(self, session_id: str, choice: int) -> Events:
        """Let the customer of an open session choose another way of delivery."""
        return self.act(session_id, lambda scope, session: checkout_totals.ship(session, choice))

    def settle_async(self, session_id: str, succeeded: bool = True, *, deliver: bool = True) -> Events:
        """Let the bank debit of a completed session succeed or fail."""
        return self.act(
            session_id,
            lambda scope, session: checkout.settle(scope, session, succeeded=succeeded),
            deliver=deliver,
        )

    def expire_session(self, session_id: str, *, deliver: bool = True) -> Events:
        """Let an open session expire."""
        return self.act(session_id, checkout.expire, deliver=deliver)

    def customer_authenticates(self, intent_id: str, succeeds: bool = True, *, deliver: bool = True) -> Events:
        """Let the customer pass or fail the authentication that a PaymentIntent or SetupIntent waits for."""

        def change(scope: Scope, intent: Object) -> None:
            if intent["status"] != "requires_action":
                raise ValueError(f"The intent {intent['id']} is {intent['status']}, not requires_action")
            if intent["object"] == "setup_intent":
                customers.authenticate_setup(scope, intent, succeeds=succeeds)
                return
            if not succeeds:
                payments.authentication_failed(scope, intent)
                return
            method = scope.objects["payment_method"][intent["payment_method"]]
            cards.authenticated(method)
            payments.succeed(scope, intent, method)
            for session in scope.related("checkout.session", payment_intent=intent["id"], status="open"):
                checkout.finish(scope, session)

        return self.act(intent_id, change, deliver=deliver)

    def settle_intent(self, intent_id: str, succeeded: bool = True, *, deliver: bool = True) -> Events:
        """Let a processing intent (a bank debit confirmed without Checkout) succeed or fail."""

        def change(scope: Scope, intent: Object) -> None:
            method = scope.objects["payment_method"][intent["payment_method"]]
            (payments.succeed if succeeded else payments.fail)(scope, intent, method)

        return self.act(intent_id, change, deliver=deliver)

    def expire_authorization(self, intent_id: str, *, deliver: bool = True) -> Events:
        """Let an uncaptured authorisation run out, as after seven days: the intent is canceled."""

        def change(scope: Scope, intent: Object) -> None:
            reason = "expired" if scope.state.releases == "uncounted" else "automatic"
            payments.cancel(scope, intent, reason, expired=True)

        return self.act(intent_id, change, deliver=deliver)

    def dashboard_refund(
        self, intent_id: str, amount: int | None = None, *, reason: str | None = None, deliver: bool = True
    ) -> Events:
        """Let the merchant refund in the Dashboard: no API request, and metadata of nobody's."""

        def change(scope: Scope, intent: Object) -> None:
            refunding.create(scope, scope.objects["charge"][intent["latest_charge"]], amount, reason=reason)

        return self.act(intent_id, change, deliver=deliver)

    def settle_refund(self, refund_id: str, *, deliver: bool = True) -> Events:
        """Let a pending refund succeed."""
        return self.act(refund_id, refunding.settle, deliver=deliver)

    def fail_refund(self, refund_id: str, reason: str = "expired_or_canceled_card", *, deliver: bool = True) -> Events:
        """Let a refund fail, pending or already succeeded."""
        return self.act(refund_id, lambda scope, refund: refunding.fail(scope, refund, reason), deliver=deliver)

    def dispute(
        self,
        intent_id: str,
        amount: int | None = None,
        *,
        reason: str = "fraudulent",
        status: str = "needs_response",
        deliver: bool = True,
    ) -> Events:
        """Let the customer's bank dispute a payment; with a status `warning_needs_response` it only inquires."""

        def change(scope: Scope, intent: Object) -> None:
            charge = scope.objects["charge"][intent["latest_charge"]]
            disputing.open_dispute(scope, charge, amount=amount, reason=reason, status=status)

        return self.act(intent_id, change, deliver=deliver)

    def close_dispute(self, dispute_id: str, won: bool = False, *, deliver: bool = True) -> Events:
        """Let the bank decide a dispute."""
        return self.act(
            dispute_id, lambda scope, dispute: disputing.close_dispute(scope, dispute, won=won), deliver=deliver
        )

    def move_dispute(self, dispute_id: str, status: str, *, deliver: bool = True) -> Events:
        """Let a dispute come into another status: under_review, needs_response after an inquiry, won after lost."""
        return self.act(dispute_id, lambda scope, dispute: disputing.move(scope, dispute, status), deliver=deliver)


#: What may be called over HTTP, at `/_fake/control/<name>`.
OVER_HTTP = (
    "complete_checkout",
    "settle_async",
    "expire_session",
    "customer_authenticates",
    "settle_intent",
    "expire_authorization",
    "dashboard_refund",
    "settle_refund",
    "fail_refund",
    "dispute",
    "close_dispute",
    "move_dispute",
)
