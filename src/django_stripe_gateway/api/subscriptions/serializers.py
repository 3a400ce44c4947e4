"""What goes into the subscriptions API and what comes out of it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from django_stripe_gateway.api.fields import OBJECT_ID, FormattedAmountField, MetadataField, TrialEndField
from django_stripe_gateway.choices import (
    LimitPeriod,
    PlanInterval,
    PriceUsage,
    SubscriptionItemKind,
    SubscriptionStatus,
)
from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.cancel import FEEDBACK, MAX_COMMENT, REFUNDS
from django_stripe_gateway.services.subscriptions.default_payment_method import PaymentMethodsInUse
from django_stripe_gateway.services.subscriptions.pause import PAUSE_BEHAVIORS
from django_stripe_gateway.services.subscriptions.prorations import PRORATIONS
from django_stripe_gateway.services.subscriptions.quantities import MAX_QUANTITY
from django_stripe_gateway.services.subscriptions.starting import MODES

PLAN, ADD_ON = SubscriptionItemKind.PLAN.value, SubscriptionItemKind.ADD_ON.value
# What is shown only when there is something to show.
OPTIONAL = ("client_secret", "client_secret_kind", "gateway_url")
CURRENCY = r"\A[A-Za-z]{3}\Z"
# Of the twenty prices that Stripe charges in one subscription.
MAX_ADD_ONS = 19


class PricingSerializer(serializers.Serializer[PlanPricing]):
    """One price of a plan."""

    pricing_id = serializers.IntegerField(source="pk")
    amount = FormattedAmountField()
    currency = serializers.CharField()
    interval = serializers.ChoiceField(choices=PlanInterval.choices)
    interval_count = serializers.IntegerField()
    trial_days = serializers.IntegerField()
    is_per_seat = serializers.BooleanField()
    is_default = serializers.BooleanField(help_text="Taken where no price of the plan in this currency is named.")
    usage_type = serializers.ChoiceField(
        choices=PriceUsage.choices, help_text="“metered” is charged for what was used, and has no quantity."
    )
    metric = serializers.CharField(allow_blank=True, help_text="What a metered price counts; empty for others.")
    lookup_key = serializers.CharField(allow_blank=True, help_text="Another name of the price at the provider.")
    may_be_added = serializers.BooleanField(help_text="Customers add it to their subscription themselves.")


class LimitSerializer(serializers.Serializer[PlanLimit]):
    """How much of something a plan allows."""

    metric = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True, help_text="null for no limit.")
    period = serializers.ChoiceField(choices=LimitPeriod.choices)
    is_per_unit = serializers.BooleanField(help_text="So much for each seat, or each unit of an add-on.")


class SubscribedPlanSerializer(serializers.Serializer[Plan]):
    """The plan of a subscription."""

    plan_id = serializers.IntegerField(source="pk")
    slug = serializers.CharField()
    name = serializers.CharField()
    limits = LimitSerializer(many=True, source="limits.all")


class PlanFilterSerializer(serializers.Serializer[Any]):
    """What a list of plans holds."""

    kind = serializers.ChoiceField(
        choices=[PLAN, ADD_ON], default=PLAN, help_text="“add_on” lists what is sold beside a plan."
    )


class PlanSerializer(serializers.Serializer[Plan]):
    """A plan with what it costs and allows."""

    plan_id = serializers.IntegerField(source="pk")
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    auto_renew = serializers.BooleanField()
    is_default = serializers.BooleanField()
    pricing = PricingSerializer(many=True, source="sold")
    limits = LimitSerializer(many=True, source="limits.all")


class SubscriptionItemSerializer(serializers.Serializer[SubscriptionItem]):
    """One price that a subscription is charged."""

    item_id = serializers.CharField(source="provider_id", help_text="The provider's id.")
    kind = serializers.ChoiceField(
        choices=SubscriptionItemKind.choices, help_text="“unknown” is charged as well, but is no price of this site's."
    )
    pricing = PricingSerializer(allow_null=True)
    quantity = serializers.IntegerField()


class ScheduledChangeSerializer(serializers.Serializer[Subscription]):
    """What a subscription changes to with a later period; null is a plan or a price that this site does not sell."""

    plan = SubscribedPlanSerializer(source="scheduled_pricing.plan", allow_null=True, default=None)
    pricing = PricingSerializer(source="scheduled_pricing", allow_null=True)
    quantity = serializers.IntegerField(source="scheduled_quantity", allow_null=True)
    at = serializers.DateTimeField(source="scheduled_change_at")


class CancellationSerializer(serializers.Serializer[Subscription]):
    """What the customer said of the end of a subscription."""

    reason = serializers.CharField(source="cancellation_feedback", allow_blank=True)
    comment = serializers.CharField(source="cancellation_comment", allow_blank=True)


class DiscountSerializer(serializers.Serializer[Any]):
    """What lowers the price of a subscription."""

    coupon = serializers.CharField(default="", allow_blank=True, help_text="The provider's id.")
    promotion_code = serializers.CharField(default="", allow_blank=True, help_text="The provider's id.")
    ends = serializers.DateTimeField(default=None, allow_null=True)


class SubscriptionSerializer(serializers.Serializer[Subscription]):
    """A subscription as its owner sees it."""

    subscription_id = serializers.CharField(
        source="provider_id", allow_null=True, help_text="The provider's id; null before it has begun."
    )
    status = serializers.ChoiceField(choices=SubscriptionStatus.choices)
    valid = serializers.BooleanField(source="is_valid", help_text="Whether it gives what its plan promises now.")
    plan = SubscribedPlanSerializer(allow_null=True)
    pricing = PricingSerializer(allow_null=True)
    currency = serializers.CharField(
        allow_blank=True,
        help_text="What it is charged in: where the price can be had in several currencies, “pricing” shows another.",
    )
    quantity = serializers.IntegerField()
    items = SubscriptionItemSerializer(many=True, source="items.all", help_text="The plan's own item among them.")
    scheduled_change = ScheduledChangeSerializer(allow_null=True, help_text="What changes with a later period.")
    cancel_at_period_end = serializers.BooleanField()
    cancel_at = serializers.DateTimeField(allow_null=True)
    canceled_at = serializers.DateTimeField(allow_null=True)
    cancellation = CancellationSerializer(source="*")
    ended_at = serializers.DateTimeField(allow_null=True)
    current_period_start = serializers.DateTimeField(allow_null=True)
    current_period_end = serializers.DateTimeField(allow_null=True)
    trial_end = serializers.DateTimeField(allow_null=True)
    is_paused = serializers.BooleanField()
    pause_resumes_at = serializers.DateTimeField(allow_null=True)
    has_pending_update = serializers.BooleanField(help_text="A change waits for its payment.")
    collection_method = serializers.CharField(
        allow_blank=True, help_text="“charge_automatically”, or “send_invoice”, which the customer pays."
    )
    days_until_due = serializers.IntegerField(allow_null=True, help_text="Of an invoice that is sent.")
    discounts = DiscountSerializer(many=True)
    metadata = MetadataField()
    created = serializers.DateTimeField()
    client_secret = serializers.CharField(
        required=False, help_text="For Stripe.js, when the customer must act. Do not store or log it."
    )
    client_secret_kind = serializers.ChoiceField(
        choices=["payment", "setup", "page"], required=False, help_text="What the secret confirms, or shows."
    )
    gateway_url = serializers.CharField(required=False, help_text="Where the customer pays (Checkout).")

    def to_representation(self, instance: Subscription) -> dict[str, Any]:
        """Return the subscription without what is empty or not for this answer."""
        data: dict[str, Any] = super().to_representation(instance)
        if not (self.context.get("with_client_secret") and data.get("client_secret")):
            data["client_secret"] = data["client_secret_kind"] = ""
        return {name: value for name, value in data.items() if value or name not in OPTIONAL}


class PreviewLineSerializer(serializers.Serializer[Any]):
    """One line of what a change would cost."""

    description = serializers.CharField()
    amount = FormattedAmountField()
    quantity = serializers.IntegerField(allow_null=True)
    is_proration = serializers.BooleanField()


class PreviewSerializer(serializers.Serializer[Any]):
    """What a change would cost."""

    currency = serializers.CharField()
    total = FormattedAmountField()
    amount_due = FormattedAmountField()
    tax = FormattedAmountField()
    proration_date = serializers.DateTimeField(
        allow_null=True,
        help_text="The moment that it will be counted from, so that it costs this; null for when it is made.",
    )
    preview_token = serializers.CharField(help_text="Repeat the request with it: it is made as it was previewed.")
    lines = PreviewLineSerializer(many=True)


class PaymentMethodSerializer(serializers.Serializer[Any]):
    """What can be shown of a payment method."""

    payment_method_id = serializers.CharField(help_text="The provider's id.")
    kind = serializers.CharField()
    brand = serializers.CharField(allow_blank=True)
    last4 = serializers.CharField(allow_blank=True)
    exp_month = serializers.IntegerField(allow_null=True)
    exp_year = serializers.IntegerField(allow_null=True)
    is_default = serializers.SerializerMethodField(help_text="It is what you are charged on.")
    subscriptions = serializers.SerializerMethodField(help_text="Ids of the running subscriptions charged on it.")

    def get_is_default(self, instance: Any) -> bool:
        """Return whether it is charged unless something else is said."""
        return bool(instance.payment_method_id == self._in_use.default)

    def get_subscriptions(self, instance: Any) -> list[str]:
        """Return the running subscriptions that are charged on it."""
        return list(self._in_use.subscriptions.get(instance.payment_method_id, ()))

    @property
    def _in_use(self) -> PaymentMethodsInUse:
        in_use: PaymentMethodsInUse = self.context.get("in_use") or PaymentMethodsInUse()
        return in_use


class AddPaymentMethodSerializer(serializers.Serializer[Any]):
    """How a payment method is added."""

    mode = serializers.ChoiceField(choices=MODES, required=False)
    set_default = serializers.BooleanField(
        required=False, help_text="Charge it from then on, for running subscriptions too; with `checkout`."
    )
    return_url = serializers.URLField(max_length=1000, required=False, help_text="On this site; with `checkout`.")


class SetupSerializer(serializers.Serializer[Any]):
    """A SetupIntent, by which the customer adds a payment method in the browser."""

    setup_id = serializers.CharField()
    client_secret = serializers.CharField(help_text="For Stripe.js. Do not store or log it.")


class SetupCheckoutSerializer(serializers.Serializer[Any]):
    """A page of the provider's on which the customer adds a payment method."""

    gateway_url = serializers.CharField(source="url", help_text="Where the customer adds it (Checkout).")


class PortalSerializer(serializers.Serializer[Any]):
    """Where the customer manages what they pay."""

    url = serializers.CharField()


class AddOnSerializer(serializers.Serializer[Any]):
    """What is charged beside a plan."""

    pricing_id = serializers.IntegerField(min_value=1)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, default=1)


class SubscribeSerializer(serializers.Serializer[Any]):
    """What a new subscription needs; the plan alone is enough where nothing leaves its price in doubt."""

    plan_id = serializers.IntegerField(min_value=1, required=False, help_text="Can be left out where a price is named.")
    pricing_id = serializers.IntegerField(min_value=1, required=False)
    lookup_key = serializers.CharField(max_length=200, required=False, help_text="Another name of the price.")
    currency = serializers.RegexField(CURRENCY, required=False, help_text="Sell at a price in this one only.")
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False, help_text="Seats.")
    add_ons = serializers.ListField(child=AddOnSerializer(), required=False, max_length=MAX_ADD_ONS)
    promotion_code = serializers.CharField(max_length=64, required=False, help_text="As customers enter it.")
    payment_method = serializers.RegexField(
        OBJECT_ID, required=False, help_text="The provider's id of one of the customer's; it is charged at once."
    )
    mode = serializers.ChoiceField(choices=MODES, required=False)
    metadata = MetadataField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a subscription to nothing."""
        if not {"plan_id", "pricing_id", "lookup_key"} & set(attrs):
            required = str(serializers.Field.default_error_messages["required"])
            raise serializers.ValidationError({"plan_id": ErrorDetail(required, "required")})
        return attrs


class SubscriptionIdSerializer(serializers.Serializer[Any]):
    """Which subscription."""

    subscription_id = serializers.RegexField(OBJECT_ID)


class CancelSubscriptionSerializer(SubscriptionIdSerializer):
    """Which subscription, and when it ends."""

    at_period_end = serializers.BooleanField(default=True)
    reason = serializers.ChoiceField(choices=FEEDBACK, required=False, help_text="Why the customer goes.")
    comment = serializers.CharField(max_length=MAX_COMMENT, required=False, help_text="In the customer's words.")
    cancel_at = serializers.DateTimeField(required=False, help_text="End on this date instead; the seller's.")
    refund_unused = serializers.ChoiceField(
        choices=REFUNDS,
        required=False,
        help_text="What becomes of the rest of the period, where it ends at once; the seller's.",
    )


class ChangeTrialSerializer(SubscriptionIdSerializer):
    """When a trial ends."""

    trial_end = TrialEndField(help_text="A moment, or “now”.")


class ApplyDiscountSerializer(SubscriptionIdSerializer):
    """What lowers the price."""

    promotion_code = serializers.CharField(max_length=64, help_text="As customers enter it.")


class ChangeSubscriptionSerializer(SubscriptionIdSerializer):
    """What becomes of a subscription."""

    plan_id = serializers.IntegerField(min_value=1, required=False)
    pricing_id = serializers.IntegerField(min_value=1, required=False)
    lookup_key = serializers.CharField(max_length=200, required=False, help_text="Another name of the price.")
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)
    proration = serializers.ChoiceField(choices=PRORATIONS, required=False)
    proration_date = serializers.DateTimeField(required=False, help_text="The moment that it is counted from.")
    at_period_end = serializers.BooleanField(default=False, help_text="Change with the next period; nothing till then.")
    preview = serializers.BooleanField(default=False, help_text="Say what it would cost; change nothing.")
    preview_token = serializers.CharField(max_length=2000, required=False, help_text="Of a preview of this change.")


class AddItemSerializer(SubscriptionIdSerializer, AddOnSerializer):
    """What is charged beside the plan of which subscription."""


class ChangeItemSerializer(serializers.Serializer[Any]):
    """What becomes of an item."""

    pricing_id = serializers.IntegerField(min_value=1, required=False)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)


class PauseSubscriptionSerializer(SubscriptionIdSerializer):
    """How long to stop collecting money."""

    behavior = serializers.ChoiceField(choices=PAUSE_BEHAVIORS, required=False)
    resumes_at = serializers.DateTimeField(required=False)


class OpenPortalSerializer(serializers.Serializer[Any]):
    """Where the customer comes back to."""

    return_url = serializers.URLField(max_length=1000, required=False, help_text="On this site.")
