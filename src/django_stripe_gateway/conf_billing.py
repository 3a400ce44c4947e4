"""The settings of subscriptions, read through typed properties; their defaults stand in ``conf``."""

from __future__ import annotations

from django_stripe_gateway.conf_reader import SettingsReader


class BillingSettings(SettingsReader):
    """What is billed again and again: to whom, by which account, on which terms."""

    @property
    def owner_model(self) -> str:
        """Model that is billed for subscriptions, as "app.Model"; read when the models are loaded."""
        return str(self._get("OWNER_MODEL"))

    @property
    def owner_resolver(self) -> str:
        """Dotted path of a function that returns a request's owner, empty for the user."""
        return str(self._get("OWNER_RESOLVER") or "")

    @property
    def billing_variant(self) -> str:
        """Payment variant whose account sells subscriptions, empty for the first of Stripe's."""
        return str(self._get("BILLING_VARIANT") or "")

    @property
    def customer_details(self) -> str:
        """Dotted path of a function that returns an owner's ``name`` and ``email``, empty for the owner's fields."""
        return str(self._get("CUSTOMER_DETAILS") or "")

    @property
    def allow_repeated_trials(self) -> bool:
        """Whether an owner may have a trial of a plan more than once."""
        return self._flag("ALLOW_REPEATED_TRIALS")

    @property
    def allow_duplicate_subscriptions(self) -> bool:
        """Whether an owner may subscribe to a plan that they are subscribed to already."""
        return self._flag("ALLOW_DUPLICATE_SUBSCRIPTIONS")

    @property
    def automatic_tax(self) -> bool:
        """Whether Stripe calculates taxes on subscriptions (Stripe Tax)."""
        return self._flag("AUTOMATIC_TAX")

    @property
    def proration_behavior(self) -> str:
        """What a change in the middle of a period costs, as Stripe names it."""
        return str(self._get("PRORATION_BEHAVIOR"))

    @property
    def subscription_success_url(self) -> str:
        """Page of the host that customers see after subscribing on Stripe's page."""
        return str(self._get("SUBSCRIPTION_SUCCESS_URL") or "")

    @property
    def subscription_cancel_url(self) -> str:
        """Page of the host that customers see after giving up on Stripe's page."""
        return str(self._get("SUBSCRIPTION_CANCEL_URL") or "")

    @property
    def portal_return_url(self) -> str:
        """Page of the host that customers come back to from Stripe's portal."""
        return str(self._get("PORTAL_RETURN_URL") or "")

    @property
    def past_due_grace_days(self) -> int | None:
        """Days for which a past-due subscription stays valid, 0 for none, ``None`` for as long as Stripe tries."""
        value = self._get("PAST_DUE_GRACE_DAYS")
        return None if value is None else int(value)
