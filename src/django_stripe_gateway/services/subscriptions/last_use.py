"""See to it that what was used is billed although what charges it ends now: the provider is told before."""

from __future__ import annotations

from django_stripe_gateway.models import Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.line import CHANGEABLE
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.services.usage.meters.report import report_use


def report_last_use(subscription: Subscription, *, item_id: str = "") -> None:
    """Report what a customer has used, if a subscription of theirs charges use; call it before that may end.

    What ends with its period is left to ``send_meter_events``: that invoice is a draft for an hour.

    Args:
        item_id: the provider's, where nothing but this item may end.

    Raises:
        ProviderUnavailable: not all of it has arrived, so that nothing may end yet.
        GatewayConfigurationError: the account cannot be called.
    """
    items = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription, is_metered=True)
    if item_id:
        items = items.filter(provider_id=item_id)
    # Who has not paid for the first period, or any more, is not charged for use.
    if subscription.status in CHANGEABLE and items.exists():
        report_use(subscription.customer)
