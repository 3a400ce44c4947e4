"""With which of Django's permissions the seller's people do what: one table for the API and the admin."""

from __future__ import annotations

from collections.abc import Mapping

from django_stripe_gateway.conf.api import SUBSCRIPTION_ACTIONS, TERMS

APP = "django_stripe_gateway"
CHANGE_TERMS = f"{APP}.change_terms"
#: What the API does → the permission with which staff do it.
PERMISSIONS: Mapping[str, str] = {
    **dict.fromkeys((*SUBSCRIPTION_ACTIONS, *TERMS), CHANGE_TERMS),
    **{action: f"{APP}.{action}" for action in ("capture_payment", "refund_payment", "cancel_payment")},
    **{action: f"{APP}.{action}" for action in ("refund_invoice", "issue_credit_note")},
    # Who may capture and cancel decides when the money is taken, and whether.
    "capture_method": f"{APP}.capture_payment",
    "release_payment": f"{APP}.cancel_payment",
}
# What only the admin does.
CREATE_INVOICE = f"{APP}.create_invoice"
DECIDE_UNEXPECTED = f"{APP}.decide_unexpected"
ASK_PROVIDER = f"{APP}.ask_provider"
RESUME_OPERATION = f"{APP}.resume_operation"
REPLAY_EVENT = f"{APP}.replay_event"
GIVE_UP = f"{APP}.give_up"
