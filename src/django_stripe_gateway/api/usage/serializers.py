"""What goes into the API of usage limits and what comes out of it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_stripe_gateway.api.fields import ReplaceableField
from django_stripe_gateway.api.openapi.optional import field_schema
from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.services.usage.allowances import Allowance
from django_stripe_gateway.services.usage.entitlements import Entitlements
from django_stripe_gateway.services.usage.ledger import MAX_QUANTITY


class LimitStateSerializer(serializers.Serializer[Allowance]):
    """What is allowed of one metric, and what is left of it."""

    metric = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True, help_text="With grants; null for no limit.")
    used = serializers.IntegerField(help_text="In the period of now.")
    remaining = serializers.IntegerField(
        allow_null=True, help_text="What can still be used; reservations take from it. null for no limit."
    )
    period = serializers.ChoiceField(choices=LimitPeriod.choices)
    resets_at = serializers.DateTimeField(allow_null=True, help_text="null if it never starts from zero again.")
    unlimited = serializers.BooleanField(source="is_unlimited")


class LimitedPlanSerializer(serializers.Serializer[Any]):
    """The plan whose limits apply."""

    plan_id = serializers.IntegerField(source="pk")
    slug = serializers.CharField()
    name = serializers.CharField()


@field_schema(LimitedPlanSerializer)
class LimitedPlanField(ReplaceableField):
    """A plan."""

    serializer = LimitedPlanSerializer


@field_schema(LimitStateSerializer(many=True))
class LimitStatesField(ReplaceableField):
    """The state of each limit."""

    serializer = LimitStateSerializer
    many = True


class LimitsSerializer(serializers.Serializer[Entitlements]):
    """The limits of today."""

    plan = LimitedPlanField(allow_null=True, read_only=True)
    limits = LimitStatesField(source="*", read_only=True)


class UseSerializer(serializers.Serializer[Any]):
    """Use that is to be recorded."""

    metric = serializers.CharField(max_length=64)
    quantity = serializers.IntegerField(default=1, min_value=1, max_value=MAX_QUANTITY)
