"""What staff can do to a payment; each action goes through the service that the API uses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.forms import AmountForm
from django_stripe_gateway.admin.actions.give_up import give_up_action
from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.admin.base.display import display_money, fees_sentence
from django_stripe_gateway.choices import PaymentStatus, RefundReason
from django_stripe_gateway.conf.permissions import ASK_PROVIDER, DECIDE_UNEXPECTED, PERMISSIONS
from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.decide import accept_unexpected, refund_unexpected
from django_stripe_gateway.services.payments.fees import fetch_fees
from django_stripe_gateway.services.payments.give_up import give_up_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.transitions import PAID


class CaptureForm(AmountForm):
    """Asks how much of an authorised payment to take."""

    def largest(self) -> Decimal:
        """Return what was authorised."""
        total: Decimal = self.subject.total
        return total


class RefundForm(AmountForm):
    """Asks how much to give back, and why."""

    reason = forms.ChoiceField(
        label=gettext_lazy("reason"), required=False, choices=[("", "---------"), *RefundReason.choices]
    )

    def largest(self) -> Decimal:
        """Return what is left of the payment."""
        left: Decimal = self.subject.refundable_amount()
        return left


def _total(payment: Any) -> str:
    return display_money(payment.total, payment.currency)


def _paid(payment: Any) -> str:
    # Refunds under way are not subtracted here: that would ask the database about each payment.
    return display_money(payment.captured_amount - payment.refunded_amount, payment.currency)


def _capture(payment: Any, asked: ActionRequest) -> str:
    captured = capture_payment(payment=payment, idempotency_key=asked.key, origin=asked.origin, **asked.values)
    return _("%(amount)s captured.") % {"amount": display_money(captured.captured_amount, captured.currency)}


def _refund(payment: Any, asked: ActionRequest) -> str:
    refund = refund_payment(payment=payment, idempotency_key=asked.key, origin=asked.origin, **asked.values)
    amount = display_money(refund.amount, refund.currency)
    if asked.values and refund.amount != asked.values["amount"]:
        raise WrongState(
            _("This form has already made a refund of %(amount)s; nothing more was refunded. Open it again.")
            % {"amount": amount},
            code="form_used",
        )
    values = {"amount": amount, "status": refund.get_status_display()}
    return _("Refund of %(amount)s: %(status)s.") % values


def _cancel(payment: Any, asked: ActionRequest) -> str:
    cancelled = cancel_payment(payment=payment, idempotency_key=asked.key, origin=asked.origin)
    return f"{cancelled.get_status_display()}."


def unexpected_amounts(payment: Any) -> str:
    """Return what came for a payment and waits for a decision, asked of the database once for each instance."""
    if not hasattr(payment, "_unexpected_amounts"):
        rows = payment.unexpected.open() if payment.pk else ()
        payment._unexpected_amounts = ", ".join(display_money(one.amount, one.currency) for one in rows)
    found: str = payment._unexpected_amounts
    return found


def _accept(payment: Any, asked: ActionRequest) -> str:
    accepted = accept_unexpected(payment=payment, idempotency_key=asked.key, origin=asked.origin)
    values = {"amount": display_money(accepted.total, accepted.currency), "status": accepted.get_status_display()}
    return _("%(amount)s accepted: %(status)s.") % values


def _give_back(payment: Any, asked: ActionRequest) -> str:
    returned = refund_unexpected(payment=payment, idempotency_key=asked.key, origin=asked.origin)
    return _("Given back: %(status)s.") % {"status": returned.get_status_display()}


def _sync(payment: Any, asked: ActionRequest) -> str:
    if not payment.transaction_id:
        raise InvalidInput(_("Nothing was made at the provider for this payment."))
    synced = sync_payment(payment=payment, with_refunds=True, origin=asked.origin)
    values = {
        "status": synced.get_status_display(),
        "captured": display_money(synced.captured_amount, synced.currency),
        "refunded": display_money(synced.refunded_amount, synced.currency),
    }
    return _("In step with the provider: %(status)s, captured %(captured)s, refunded %(refunded)s.") % values


def _fees(payment: Any, asked: ActionRequest) -> str:
    fees = fetch_fees(payment=payment, with_refunds=True)
    if fees is None:
        raise WrongState(_("The provider has not booked this payment yet. Ask again later."), code="not_booked")
    return fees_sentence(fees)


PAYMENT_ACTIONS = (
    Action(
        name="capture",
        permission=PERMISSIONS["capture_payment"],
        label=gettext_lazy("Capture"),
        label_all=gettext_lazy("Capture selected %(verbose_name_plural)s"),
        run=_capture,
        is_possible=lambda payment: payment.is_preauthorized,
        question=gettext_lazy("Capture this payment? Whatever is not captured is released."),
        question_all=gettext_lazy("Capture the whole amount of these payments?"),
        at_stake=_total,
        form=CaptureForm,
    ),
    Action(
        name="refund",
        permission=PERMISSIONS["refund_payment"],
        label=gettext_lazy("Refund"),
        label_all=gettext_lazy("Refund the rest of selected %(verbose_name_plural)s"),
        run=_refund,
        is_possible=lambda payment: payment.is_refundable,
        question=gettext_lazy("Give this money back? A refund cannot be taken back."),
        question_all=gettext_lazy("Give back all that is left of these payments? A refund cannot be taken back."),
        at_stake=_paid,
        form=RefundForm,
    ),
    Action(
        name="cancel",
        permission=PERMISSIONS["cancel_payment"],
        label=gettext_lazy("Cancel or release"),
        label_all=gettext_lazy("Cancel or release selected %(verbose_name_plural)s"),
        run=_cancel,
        is_possible=lambda payment: payment.is_cancellable,
        question=gettext_lazy("Cancel this payment? An authorised one is released; it cannot be paid any more."),
        question_all=gettext_lazy("Cancel these payments? Authorised ones are released; they cannot be paid any more."),
        at_stake=_total,
    ),
    Action(
        name="accept_unexpected",
        permission=DECIDE_UNEXPECTED,
        label=gettext_lazy("Accept what was paid"),
        label_all=gettext_lazy("Accept what was paid for selected %(verbose_name_plural)s"),
        run=_accept,
        is_possible=lambda payment: bool(unexpected_amounts(payment)),
        question=gettext_lazy("Accept what was paid? This payment's amount and currency become those."),
        question_all=gettext_lazy("Accept what was paid? The amounts and currencies of these payments become those."),
        at_stake=unexpected_amounts,
    ),
    Action(
        name="refund_unexpected",
        permission=DECIDE_UNEXPECTED,
        label=gettext_lazy("Give back what was not expected"),
        label_all=gettext_lazy("Give back what was not expected for selected %(verbose_name_plural)s"),
        run=_give_back,
        is_possible=lambda payment: bool(unexpected_amounts(payment)),
        question=gettext_lazy("Give back exactly what came? A refund cannot be taken back."),
        question_all=gettext_lazy("Give back exactly what came for these payments? A refund cannot be taken back."),
        at_stake=unexpected_amounts,
    ),
    Action(
        name="sync",
        permission=ASK_PROVIDER,
        label=gettext_lazy("Ask the provider"),
        label_all=gettext_lazy("Ask the provider about selected %(verbose_name_plural)s"),
        run=_sync,
        is_possible=lambda payment: bool(payment.transaction_id),
        question=gettext_lazy("Ask the provider where this payment and its refunds stand?"),
    ),
    Action(
        name="fees",
        permission=ASK_PROVIDER,
        label=gettext_lazy("Fee and net"),
        label_all=gettext_lazy("Ask for fee and net of selected %(verbose_name_plural)s"),
        run=_fees,
        is_possible=lambda payment: payment.status in PAID and bool(payment.transaction_id),
        question=gettext_lazy("Ask the provider what it keeps of this payment, and what is left?"),
    ),
    give_up_action(give_up_payment, "payment", lambda payment: payment.status not in (*PAID, PaymentStatus.CANCELLED)),
)
