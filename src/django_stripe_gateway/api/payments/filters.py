"""The filters of a list of payments."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from django_stripe_gateway.choices import PaymentStatus

LOOKUPS = {
    "status": "status__in",
    "order_id": "order_id",
    "created_after": "created__gte",
    "created_before": "created__lt",
}


class MomentField(serializers.DateTimeField):
    """A moment that the database can be asked with: in the site's own time where ``USE_TZ`` is off."""

    def enforce_timezone(self, value: datetime) -> datetime:
        """Return the moment as this site's databases hold moments."""
        try:
            if not settings.USE_TZ:
                zone = timezone.get_default_timezone()
                return timezone.make_naive(value, zone) if timezone.is_aware(value) else value
            moment = super().enforce_timezone(value)
            # Databases keep UTC, where the moment may be before the first or after the last day of the calendar.
            moment.astimezone(UTC)
        except OverflowError:
            self.fail("overflow", timezone=timezone.get_default_timezone())
        return moment


class PaymentFilterSerializer(serializers.Serializer[Any]):
    """Query parameters; one that cannot be understood is an error, because a wider list would be a wrong one."""

    status = serializers.MultipleChoiceField(
        choices=PaymentStatus.choices, required=False, help_text="May be repeated: any of them."
    )
    order_id = serializers.CharField(max_length=255, required=False)
    created = serializers.DateField(required=False, help_text="A day, in the site's time zone.")
    created_after = MomentField(required=False, help_text="From this moment on, ISO 8601.")
    created_before = MomentField(required=False, help_text="Before this moment, ISO 8601.")

    def validate_created(self, value: date) -> tuple[datetime, datetime]:
        """Return the moments at which the day begins and ends."""
        try:
            begin = datetime.combine(value, time.min)
            end = datetime.combine(value + timedelta(days=1), time.min)
            if not settings.USE_TZ:
                return begin, end
            begin, end = timezone.make_aware(begin), timezone.make_aware(end)
            # Databases keep UTC, where the first and the last day of the calendar may not exist.
            begin.timestamp(), end.timestamp()
            begin.astimezone(timezone.get_default_timezone())
        except (OverflowError, ValueError):
            raise serializers.ValidationError(_("This day is out of range."), code="overflow") from None
        return begin, end


def filter_values(query: QueryDict) -> dict[str, Any]:
    """Return the query's parameters as plain values: an empty one is no form's empty field, but an error."""
    return {name: values if name == "status" else values[-1] for name, values in query.lists()}


def filter_payments(payments: QuerySet[Any], wanted: dict[str, Any]) -> QuerySet[Any]:
    """Return the payments that the validated filters ask for."""
    for name, value in wanted.items():
        if name == "created":
            payments = payments.filter(created__gte=value[0], created__lt=value[1])
        elif name in LOOKUPS:
            payments = payments.filter(**{LOOKUPS[name]: sorted(value) if name == "status" else value})
    return payments
