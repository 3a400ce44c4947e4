"""What a host decides: one class whose methods have the defaults.

Settings hold values, the adapter holds decisions. Extend ``Adapter``, override what your project decides otherwise, and
name the class in ``STRIPE_GATEWAY_ADAPTER``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from django_stripe_gateway.conf import gateway_settings, made_of_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError

__all__ = ["Adapter", "CallKind", "CustomerDetails", "Price", "ProviderCall", "get_adapter"]


class CustomerDetails(TypedDict, total=False):
    """What a provider gets to know of an owner: ``name`` and ``email``; either may be left out."""

    name: str | None
    email: str | None


class Price(TypedDict):
    """What a payment costs.

    Attributes:
        amount: in the currency's own units, e.g. ``Decimal("10.00")``.
        currency: ISO code, any case.
        description: what the customer reads.
        capture_method: "automatic" or "manual"; by default as the variant is configured.
        destination, on_behalf_of, application_fee: of a platform's payment, see ``create_payment``; no client can say
            them.
        account: the ``ConnectedAccount`` of the seller on whose own account it is taken; by default the gateway's. No
            client says it.
    """

    amount: Decimal
    currency: str
    description: NotRequired[str]
    capture_method: NotRequired[str]
    destination: NotRequired[Any]
    on_behalf_of: NotRequired[Any]
    application_fee: NotRequired[Decimal | None]
    account: NotRequired[Any]


PRICE_KEYS = (*Price.__annotations__,)
#: What a client may have said of it.
ASKED_KEYS = ("amount", "currency", "description", "capture_method")


class CallKind(StrEnum):
    """What a provider is asked for, where a host may add parameters of the provider's."""

    PAYMENT = "payment"  # one that is confirmed in the customer's browser
    PAYMENT_PAGE = "payment_page"  # the page that a payment is paid on
    CONFIRMATION = "confirmation"  # of a payment, from the server
    CHARGE = "charge"  # a payment that is made without its customer
    REFUND = "refund"
    CUSTOMER = "customer"
    CUSTOMER_UPDATE = "customer_update"
    PAYMENT_METHOD = "payment_method"  # the customer adds one in the browser
    PAYMENT_METHOD_PAGE = "payment_method_page"  # the customer adds one on a page
    PORTAL = "portal"
    SUBSCRIPTION = "subscription"
    SUBSCRIPTION_PAGE = "subscription_page"  # the page that starts one
    PRODUCT = "product"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A call that a provider is about to be asked for; what it is not about is ``None``.

    Args:
        provider: name of the provider, e.g. as the option ``gateway`` of a variant says it; ``variant`` the account.
        payment: of a new one nothing is stored yet: it has no primary key.
        customer: a ``Customer``, whose owner is billed.
        plan: what is sold, at ``pricing``.
        amount: of a refund, as it was asked for; ``None`` for all that is left.
    """

    kind: CallKind
    provider: str
    variant: str
    payment: Any = None
    customer: Any = None
    plan: Any = None
    pricing: Any = None
    amount: Decimal | None = None

    @property
    def owner(self) -> Any:
        """Who pays: the payment's or the customer's owner, read when it is asked for; ``None`` for nobody."""
        about = self.customer if self.payment is None else self.payment
        return getattr(about, "owner", None)


class Adapter:
    """What the package does where a host has decided nothing. It is made once and shared: keep no state in it."""

    def get_owner(self, request: Any) -> Any:
        """Return whose plan a request is about: an instance of ``STRIPE_GATEWAY_OWNER_MODEL``, ``None`` for nobody.

        By default the user. Asked by the API of subscriptions and usage, the decorators and the template tags.

        Args:
            request: Django's, or Django REST framework's.
        """
        return getattr(request, "user", None)

    def customer_details(self, owner: Any) -> CustomerDetails:
        """Return the name and e-mail address that the provider gets to know of an owner.

        By default those of the owner's own fields, as a user or a model with ``name`` and ``email`` has them.
        """
        name = owner.get_full_name() if hasattr(owner, "get_full_name") else getattr(owner, "name", "")
        return {"name": name, "email": getattr(owner, "email", "")}

    def has_verified_email(self, owner: Any) -> bool:
        """Return whether an owner's e-mail address is known to be theirs.

        By default ``True``. Before a sale the provider is asked what runs under the address, and a second subscription
        is refused (``subscribed_elsewhere``). Return ``False`` for an address that anybody can have entered: otherwise
        the refusal tells them that it subscribes here. Only what carries the owner's own mark is refused then. E-mails
        about one-off payments that go there hold nothing that the owner has written, and no link to pay.
        """
        return True

    def time_zone(self, owner: Any) -> tzinfo | str | None:
        """Return the time zone whose midnight resets an owner's limits: a ``tzinfo``, a name, ``None`` for the site's.

        By default the site's, ``TIME_ZONE``. A name that is not known counts as the site's, with a warning in the log.
        """
        return timezone.get_default_timezone()

    def default_currency(self, owner: Any) -> str | None:
        """Return the currency in which an owner is sold a plan where nothing else says it: an ISO code, any case.

        By default ``None``: the plan's default price decides. Asked when somebody subscribes to a plan that has several
        prices and names neither one of them nor a currency. A plan that is not sold in it is sold as if the answer were
        ``None``; what an owner has subscribed to already comes first.
        """
        return None

    def may_have_trial(self, owner: Any, plan: Any, had: Sequence[Any]) -> bool:
        """Return whether an owner may have a trial of a plan.

        By default as ``STRIPE_GATEWAY_TRIALS_ONCE_PER`` and ``STRIPE_GATEWAY_ALLOW_REPEATED_TRIALS`` say.

        Args:
            plan: a ``Plan``, whose price has a trial.
            had: the plans that the owner had a trial of before.
        """
        if gateway_settings.allow_repeated_trials:
            return True
        return not had if gateway_settings.trials_once_per == "owner" else plan not in had

    def mail_recipient(self, owner: Any, payment: Any = None) -> str:
        """Return the address that an e-mail goes to; empty for none.

        By default the address of ``customer_details``; where there is no owner, or theirs is empty, that of the
        payment. What goes to an address that only the payment has, or that ``has_verified_email`` does not vouch for,
        says the amount, and nothing that a client has written: anybody can name anybody's.

        Args:
            owner: ``None`` for a guest's payment, or for somebody who is gone.
            payment: the one-off payment that the e-mail is about, with its ``billing_email``; ``None`` for others.
        """
        known = self.customer_details(owner).get("email") if owner is not None else ""
        return known or getattr(payment, "billing_email", "") or ""

    def language(self, owner: Any) -> str:
        """Return the language that an owner is written to in, such as "de" or "pt-br"; by default the site's.

        Args:
            owner: ``None`` for a guest.
        """
        return str(settings.LANGUAGE_CODE)

    def wants_mail(self, kind: str, owner: Any) -> bool:
        """Return whether an owner is written to about something; by default ``True``.

        Asked when an e-mail is sent, about kinds that ``STRIPE_GATEWAY_MAILS`` turns on.

        Args:
            kind: one of ``MailKind``, such as "paid".
            owner: ``None`` for a guest.
        """
        return True

    def mail_page(self, kind: str, owner: Any) -> str:
        """Return the page of yours that an e-mail leads to: an address, a path of your site, or empty for none.

        By default ``STRIPE_GATEWAY_MAIL_ACCOUNT_URL``, and none for guests (``owner`` is ``None``), who lack one.
        It is opened by whoever has the e-mail: let it ask for a login.
        """
        return "" if owner is None else gateway_settings.mail_account_url

    def price_payment(self, request: Any, data: Mapping[str, Any]) -> Price:
        """Return what is charged for a payment that a client of the API asks for.

        By default what the client sent, which is right only where you trust your clients. Raise ``InvalidInput`` for
        what you do not sell.

        Args:
            request: Django REST framework's, with its ``user``.
            data: what the client sent, as the serializer ``CreatePayment`` has accepted it.
        """
        return {key: data[key] for key in ASKED_KEYS if key in data}  # type: ignore[return-value]

    def further_params(self, call: ProviderCall) -> Mapping[str, Any]:
        """Return parameters of the provider's own that are sent along with a call, as its reference spells them.

        By default none. What decides amount, currency, who pays, how a payment is found again, and where its customer
        returns to is not yours to add, and is refused with a sentence.

        Asked before anything is stored, outside of any transaction. What you return is stored with the operation, so
        that every repeat sends the same, whatever you would answer by then. An answer for a request that turns out to
        have been made before is thrown away.

        Args:
            call: what the provider is about to be asked for, and whom that is about.
        """
        return {}


@made_of_settings("STRIPE_GATEWAY_ADAPTER")
def get_adapter() -> Adapter:
    """Return the host's adapter.

    Raises:
        GatewayConfigurationError: ``STRIPE_GATEWAY_ADAPTER`` names no subclass of ``Adapter``.
    """
    path = gateway_settings.adapter
    try:
        found = import_string(path)
    except ImportError as error:
        raise GatewayConfigurationError(f"STRIPE_GATEWAY_ADAPTER names {path}, which cannot be imported.") from error
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise GatewayConfigurationError(f"STRIPE_GATEWAY_ADAPTER names {path}, which is no subclass of Adapter.")
    return _made(found)  # type: ignore[arg-type] # mypy looks at the instances' hash, not at the class's


def wrong_answer(method: str, problem: str) -> GatewayConfigurationError:
    """Return the error that the host's adapter has answered what nobody can work with.

    Args:
        method: its name in ``Adapter``.
        problem: the end of the sentence "the method …".
    """
    return GatewayConfigurationError(f"{method}() of {gateway_settings.adapter} {problem}.")


@functools.cache
def _made(adapter_class: type[Adapter]) -> Adapter:
    return adapter_class()
