"""What goes into the subscriptions API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_stripe_gateway.api.fields import MetadataField
from django_stripe_gateway.services.subscriptions.change import PRORATIONS
from django_stripe_gateway.services.subscriptions.pause import PAUSE_BEHAVIORS
from django_stripe_gateway.services.subscriptions.subscribe import MAX_QUANTITY, MODES

OBJECT_ID = r"\A[A-Za-z0-9_]{1,255}\Z"


class SubscribeSerializer(serializers.Serializer[Any]):
    """What a new subscription needs; the plan alone is enough."""

    plan_id = serializers.IntegerField(min_value=1)
    pricing_id = serializers.IntegerField(min_value=1, required=False, help_text="The plan's first when left out.")
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False, help_text="Seats.")
    promotion_code = serializers.CharField(max_length=64, required=False, help_text="As customers enter it.")
    payment_method = serializers.RegexField(OBJECT_ID, required=False, help_text="The provider's id.")
    mode = serializers.ChoiceField(choices=MODES, required=False)
    metadata = MetadataField(required=False)


class SubscriptionIdSerializer(serializers.Serializer[Any]):
    """Which subscription."""

    subscription_id = serializers.RegexField(OBJECT_ID)


class CancelSubscriptionSerializer(SubscriptionIdSerializer):
    """Which subscription, and when it ends."""

    at_period_end = serializers.BooleanField(default=True)


class ChangeSubscriptionSerializer(SubscriptionIdSerializer):
    """What becomes of a subscription."""

    plan_id = serializers.IntegerField(min_value=1, required=False)
    pricing_id = serializers.IntegerField(min_value=1, required=False)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)
    proration = serializers.ChoiceField(choices=PRORATIONS, required=False)
    proration_date = serializers.DateTimeField(required=False, help_text="Of the preview.")
    preview = serializers.BooleanField(default=False, help_text="Say what it would cost; change nothing.")


class PauseSubscriptionSerializer(SubscriptionIdSerializer):
    """How long to stop collecting money."""

    behavior = serializers.ChoiceField(choices=PAUSE_BEHAVIORS, required=False)
    resumes_at = serializers.DateTimeField(required=False)


class OpenPortalSerializer(serializers.Serializer[Any]):
    """Where the customer comes back to."""

    return_url = serializers.URLField(max_length=1000, required=False, help_text="On this site.")
