"""Report at once what one customer has used, before something ends that charges it.

The provider bills what it has heard of by then: no invoice looks again at what comes later.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.choices import MeterEventState
from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.models import Customer, MeterEvent
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events
from django_stripe_gateway.services.usage.meters.send import KnownMeters, send_meter_event
from django_stripe_gateway.services.usage.transactions import usage_database


def report_use(customer: Customer) -> None:
    """Send what a customer has used until now, with what was gathered before and has not arrived.

    What the provider refuses holds nobody up, nor what nobody can say of any more whether it has arrived: staff see it.

    Raises:
        ProviderUnavailable: something has not arrived yet; what has is not sent again.
        GatewayConfigurationError: the account cannot be called.
    """
    if customer.owner_id is not None:
        gather_meter_events(owner_id=customer.owner_id)
    pending = MeterEvent.objects.using(usage_database()).filter(customer=customer).pending()
    known = KnownMeters()
    for event_pk in list(pending.order_by("pk").values_list("pk", flat=True)):
        event = send_meter_event(event_pk, known)
        if event is not None and event.state == MeterEventState.PENDING:
            # Nor would the next ones arrive.
            break
        if event is not None:
            _let_its_second_pass(event)
    if pending.exists():
        raise ProviderUnavailable("What was used could not be reported yet, without which this cannot end. Try again.")


def _let_its_second_pass(event: MeterEvent) -> None:
    """Wait until what ends now ends after an event: it counts until before the whole second in which it ends."""
    over = event.occurred.replace(microsecond=0) + timedelta(seconds=1)
    # A clock that was put back makes nobody wait for longer.
    time.sleep(min(1.0, max(0.0, (over - timezone.now()).total_seconds())))
