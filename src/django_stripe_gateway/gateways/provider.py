"""What a provider of payments brings: the one thing that is registered to make it known everywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.core.checks import CheckMessage

from django_stripe_gateway.accounts import Account
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.rules import Rule, is_optional_text
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.account_reading import AccountReader
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.connecting import ConnectGateway
from django_stripe_gateway.gateways.entries import is_entry_of
from django_stripe_gateway.gateways.metering import MeterGateway

Check = Callable[..., list[CheckMessage]]
#: Option of a variant → what it must be, as the end of the sentence "X must be …", and the test for it.
Options = Mapping[str, tuple[str, Rule]]


class ProviderChecks:
    """The system checks of one provider, whose ``Provider.checks`` names a subclass by its dotted path.

    Ids of a distribution's own checks begin with its own name.
    """

    #: By default what any variant may have; extend it with the provider's own.
    options: ClassVar[Options] = {"gateway": ("a dotted path", is_optional_text)}
    #: Functions as Django's registry takes them, and those that run in ``check --deploy`` only.
    always: ClassVar[Sequence[Check]] = ()
    deployment: ClassVar[Sequence[Check]] = ()

    def check_entry(self, name: str, path: str, options: Mapping[str, Any]) -> Iterable[CheckMessage]:
        """Check one entry of ``PAYMENT_VARIANTS``, this provider's or not, whose options have the right types."""
        return ()


class Provider(ABC):
    """A company that moves money: how its accounts are recognised, called, listened to and checked.

    A distribution of its own registers one in its ``AppConfig.ready()``::

        register_provider(Paylane())

    That is all: its payments, its webhooks at ``webhooks/paylane/``, its billing and its checks are found by it.
    """

    #: What it is known by: in the webhooks' address, on stored events, as the option ``gateway`` of a variant. A slug.
    name: ClassVar[str]
    #: What people call it.
    label: ClassVar[str]
    #: Dotted path of the class of django-payments that ``PAYMENT_VARIANTS`` names for its accounts.
    payments_provider: ClassVar[str] = ""
    #: Dotted path of the class that its gateways for payments extend; a host's own may extend it, too.
    base_gateway: ClassVar[str] = ""
    #: Dotted path of its subclass of ``webhooks.WebhookProvider``; importing it must register the handlers of its
    #: events. A path, because how a provider calls us stands above how we call it. Empty if it sends no webhooks.
    webhooks: ClassVar[str] = ""
    #: ``billing`` returns gateways: subscriptions can be sold through its accounts.
    supports_billing: ClassVar[bool] = False
    #: ``meters`` returns gateways: use can be reported to its accounts.
    supports_meters: ClassVar[bool] = False
    #: Dotted path of its subclass of ``ProviderChecks``. Empty if it has none.
    checks: ClassVar[str] = ""

    def owns_entry(self, path: str, options: Mapping[str, Any]) -> bool:
        """Return whether an entry of ``PAYMENT_VARIANTS`` is one of this provider's accounts; remembered with it."""
        return is_entry_of(self.name, self.payments_provider, self.base_gateway, path, options)

    def owns(self, variant: str) -> bool:
        """Return whether ``PAYMENT_VARIANTS`` gives ``variant`` to this provider."""
        path, options = gateway_settings.variants.get(variant, ("", {}))
        return self.owns_entry(path, options or {})

    def account(self, variant: str) -> Account | None:
        """Return what the settings tell of the account behind ``variant``, by which rows of others are told apart.

        By default nothing: then all that was made through the variant is of one account. Nobody is asked.
        """
        return None

    def ask_account_id(self, variant: str) -> str:
        """Ask the provider for the id of the account that the variant's key belongs to; called once for each key.

        Raises:
            GatewayError: the provider refused or failed.
        """
        raise UnsupportedByGateway(f"{self.label} is not asked whose a key is.")

    @abstractmethod
    def payments(self, variant: str) -> Gateway:
        """Return the gateway for payments of the account behind ``variant``, which is one of this provider's.

        Raises:
            GatewayConfigurationError: the variant's options cannot be worked with.
        """

    def make_gateway(self, gateway_class: Callable[[Any], Any], variant: str) -> Any:
        """Return the host's own gateway, which the option ``gateway`` of the variant names; called with the variant.

        A provider makes a subclass of its own gateways of what those are made of.
        """
        return gateway_class(variant)

    def billing(self, variant: str) -> BillingGateway:
        """Return the gateway that bills customers of the account behind ``variant``.

        Raises:
            UnsupportedByGateway: this provider bills nobody again and again.
        """
        raise UnsupportedByGateway(f"{self.label} bills no subscriptions here.")

    def meters(self, variant: str) -> MeterGateway:
        """Return the gateway that reports use to the account behind ``variant``.

        Raises:
            UnsupportedByGateway: this provider counts no use.
        """
        raise UnsupportedByGateway(f"{self.label} has no meters here.")

    def connect(self, variant: str) -> ConnectGateway:
        """Return the accounts of sellers that are connected to the account behind ``variant``.

        Raises:
            UnsupportedByGateway: this provider connects none.
        """
        raise UnsupportedByGateway(f"{self.label} connects no accounts of sellers here.")

    def account_reader(self, variant: str) -> AccountReader:
        """Return what reads all that the account behind ``variant`` holds, for its import.

        Raises:
            UnsupportedByGateway: this provider's accounts cannot be read as a whole.
        """
        raise UnsupportedByGateway(f"What an account of {self.label} holds cannot be imported here.")
