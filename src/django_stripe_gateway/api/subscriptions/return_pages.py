"""Where a subscription's Checkout sends the customer's browser back to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import is_key
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.signed_pages import SignatureSerializer, SignedPageView
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.models.return_urls import SUBSCRIPTION_SALT, is_valid_signature
from django_stripe_gateway.models.subscriptions import INCOMPLETE
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.return_looks import claim_look, note_look
from django_stripe_gateway.services.subscriptions.checkouts import look_up_start
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)

SUCCESS = "success"
# Whether the outcome is what the customer wants (None: not known yet), and what the page says of it.
PAGES: Mapping[str, tuple[bool | None, Any, Any]] = {
    "started": (True, _("Subscription started"), _("Thank you. Your subscription has started.")),
    "open": (None, _("Subscription not started"), _("You have not subscribed yet.")),
    "processing": (
        None,
        _("Subscription is being started"),
        _("Your subscription is being started. This can take a while; you do not need to subscribe again."),
    ),
    "over": (False, _("Subscription not active"), _("This subscription has ended, or was never started.")),
}


class SubscriptionReturnQuerySerializer(SignatureSerializer):
    """What a subscription's return address holds."""

    subscription = serializers.CharField(allow_blank=True, help_text="Which subscription, by a number of this site's.")
    result = serializers.ChoiceField((SUCCESS, "cancel"), required=False, help_text="Which way the page was left.")


class SubscriptionReturnSerializer(serializers.Serializer[Subscription]):
    """What the bearer of a signed return address may know of a subscription."""

    status = serializers.CharField(help_text="As in the subscription.")
    plan = serializers.CharField(source="plan.name", default="", help_text="The plan's name.")


class SubscriptionReturnView(SignedPageView):
    """A page that shows plan and status to whoever holds its signed address, and nothing private."""

    rate_scope = "subscriptions.return"
    template_name = "django_stripe_gateway/subscription_return.html"

    @operation(
        "subscriptions_return",
        query=SubscriptionReturnQuerySerializer,
        answer=SubscriptionReturnSerializer,
        errors=(404,),
        redirect="To the page that the site has configured.",
        examples=examples.RETURN_PAGE,
    )
    def get(self, request: Request) -> Response:
        """Come back from Stripe's page.

        For the customer's browser: the provider's page sends it here with a signed address. After paying it asks the
        provider what became of the subscription, unless that is known, or it was asked and nothing has changed since.
        Answers a page or JSON, or redirects (302) to the page that the site has configured.
        """
        subscription, is_current = self.signed_subscription(), False
        expects_success = request.query_params.get("result") == SUCCESS
        if expects_success and _is_open(subscription) and claim_look(subscription):
            try:
                subscription = look_up_start(subscription, Origin(source=LogSource.API, actor="customer"))
                is_current = True
                note_look(subscription)
            except GatewayError as error:
                # The webhook will bring it; the customer reads that it takes a while.
                logger.warning("The return page of subscription %s could not ask (%s).", subscription.pk, error.code)
        return self.show(subscription, expects_success=expects_success, is_current=is_current)

    def signed_subscription(self) -> Subscription:
        """Return the subscription that the request's signature opens.

        Raises:
            NotFound: the signature is not right, or there is no such subscription.
        """
        query = self.request.query_params
        pk, signature = query.get("subscription", ""), query.get("signature", "")
        if not is_key(Subscription, pk):
            raise NotFound
        rows = Subscription.objects.using(payments_database()).select_related("plan")
        subscription = rows.filter(pk=pk).first()
        if subscription is None or not is_valid_signature(
            pk, signature, salt=SUBSCRIPTION_SALT, token=subscription.token
        ):
            raise NotFound
        return subscription

    def show(self, subscription: Subscription, *, expects_success: bool, is_current: bool) -> Response:
        """Send the browser to the host's page, or answer with our own; where to is never taken from the request.

        Args:
            is_current: the provider has just been asked, so that "not started" can be relied on.
        """
        outcome = _outcome(subscription, can_rely=is_current or not expects_success)
        is_good, heading, message = PAGES[outcome]
        is_success = expects_success if is_good is None else is_good
        page = gateway_settings.subscription_success_url if is_success else gateway_settings.subscription_cancel_url
        if page:
            ours = {"subscription_id": subscription.provider_id or "", "status": subscription.status}
            return self.sent_to(page, **ours)
        answer = self.answer(SubscriptionReturnSerializer, subscription)
        self.shown = {**answer.data, "outcome": outcome, "heading": heading, "message": message}
        return answer


def _is_open(subscription: Subscription) -> bool:
    """Return whether only the provider knows what has become of a subscription."""
    return subscription.status in INCOMPLETE and bool(subscription.provider_id or subscription.checkout_id)


def _outcome(subscription: Subscription, *, can_rely: bool) -> str:
    """Return what there is to say about the subscription."""
    if subscription.is_valid:
        return "started"
    if subscription.has_ended:
        return "over"
    return "open" if can_rely and not subscription.provider_id else "processing"
