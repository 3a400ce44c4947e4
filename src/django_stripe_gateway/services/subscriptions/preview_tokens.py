"""Tokens that fix the moment of a preview, so that the change costs what it had said.

Who could choose the moment would choose the price: a second before the period ends, all changes are free. So the moment
of a customer is one that a preview has taken a few minutes ago, of this change, while nothing else has changed. And it
is fixed only for a change that costs no less from then on, which an earlier moment makes no cheaper. What costs less is
counted from when it is made: what was had until then would else be given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import BillingOperation, Plan, PlanPricing, Subscription
from django_stripe_gateway.services.operations.engine import scoped_request_key
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.change import CHANGE_SUBSCRIPTION, asked_pricing, proration_of_change
from django_stripe_gateway.services.subscriptions.preview_states import check_previewed, previewed_state
from django_stripe_gateway.services.subscriptions.schedule import SCHEDULE_CHANGE
from django_stripe_gateway.services.transactions import payments_database

#: For how long a preview is good.
MAX_AGE = timedelta(minutes=15)
_SALT = "django_stripe_gateway.change_preview"


def sign_preview(
    *,
    subscription: Subscription,
    moment: datetime | None,
    plan: Plan | None = None,
    pricing: PlanPricing | None = None,
    quantity: int | None = None,
    at_period_end: bool = False,
    proration: str = "",
    origin: Origin = SYSTEM,
) -> str:
    """Return a token that lets the same person make a change as it was previewed, within ``MAX_AGE``.

    Args:
        subscription: as it was read before the preview.
        moment: that the change is counted from; ``None`` for when it is made, or at the period's end.
        origin: who has asked for the preview; nobody else's terms are theirs.
    """
    price = asked_pricing(subscription, plan, pricing)
    value = {
        "subscription": subscription.pk,
        "actor": origin.actor,
        "asked": _asked(plan, pricing, quantity, at_period_end),
        "pricing": None if price is None else price.pk,
        "proration": "" if at_period_end else proration_of_change(subscription, price, quantity, proration),
        "moment": None if moment is None else int(moment.timestamp()),
        "previewed": previewed_state(subscription),
    }
    return signing.dumps(value, salt=_SALT, compress=True)


def previewed_change(
    *,
    subscription: Subscription,
    token: str,
    plan: Plan | None = None,
    pricing: PlanPricing | None = None,
    quantity: int | None = None,
    at_period_end: bool = False,
    preview: bool = False,
    proration: str = "",
    proration_date: datetime | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> dict[str, Any]:
    """Return the arguments with which ``change_subscription`` makes the change that was previewed.

    Args:
        plan, pricing, quantity, at_period_end: as they were asked for in the preview.
        preview, proration, proration_date: not beside a token, which holds them.
        idempotency_key: of the change, whose repeat is answered although it has changed the subscription.

    Raises:
        InvalidInput: the token is of another change, subscription or person, or no token ("invalid_preview_token"), or
            too old ("preview_expired"); or what it holds is asked for beside it.
        WrongState: the subscription has changed since, or its period has ended ("stale_preview").
    """
    for name, given in (("preview", preview), ("proration", proration), ("proration_date", proration_date)):
        if given:
            raise InvalidInput("The preview_token stands for this.", field=name)
    said = _read(token)
    asked = _asked(plan, pricing, quantity, at_period_end)
    if (said["subscription"], said["actor"], said["asked"]) != (subscription.pk, origin.actor, asked):
        raise _invalid()
    if not _was_asked_before(subscription, idempotency_key):
        check_previewed(subscription, said["previewed"])
    price = None
    if said["pricing"] is not None:
        price = PlanPricing.objects.using(payments_database()).select_related("plan").get(pk=said["pricing"])
    moment = said["moment"]
    return {
        "pricing": price,
        "quantity": quantity,
        "at_period_end": at_period_end,
        "proration": said["proration"],
        "proration_date": None if moment is None else datetime.fromtimestamp(moment, UTC),
        "previewed": said["previewed"],
    }


def _read(token: str) -> Mapping[str, Any]:
    try:
        said: Mapping[str, Any] = signing.loads(token, salt=_SALT, max_age=MAX_AGE)
    except signing.SignatureExpired as error:
        sentence = "This preview is too old. Ask for another."
        raise InvalidInput(sentence, code="preview_expired", field="preview_token") from error
    except signing.BadSignature as error:
        raise _invalid() from error
    return said


def _invalid() -> InvalidInput:
    return InvalidInput("This is no preview of this change.", code="invalid_preview_token", field="preview_token")


def _asked(
    plan: Plan | None, pricing: PlanPricing | None, quantity: int | None, at_period_end: bool
) -> list[int | bool | None]:
    return [None if plan is None else plan.pk, None if pricing is None else pricing.pk, quantity, at_period_end]


def _was_asked_before(subscription: Subscription, idempotency_key: str | None) -> bool:
    """Return whether a change under this key is on its way, or made."""
    kinds = (CHANGE_SUBSCRIPTION.kind, SCHEDULE_CHANGE.kind)
    keys = [scoped_request_key(idempotency_key, kind, subscription.pk) for kind in kinds if idempotency_key]
    rows = BillingOperation.objects.using(payments_database()).filter(customer=subscription.customer_id)
    return bool(keys) and rows.filter(request_key__in=keys).exists()
