"""Payments: django-payments' model, with money fields for every currency, an owner and the provider's ids."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.core import checks
from django.db import models, router, transaction
from django.db.models.expressions import BaseExpression
from django.utils.translation import gettext_lazy as _
from payments import PurchasedItem, get_payment_model
from payments.core import provider_factory
from payments.models import BasePayment
from payments.signals import status_changed

from django_stripe_gateway.choices import CaptureMethod, FraudStatus, LogEvent, PaymentStatus, RefundStatus
from django_stripe_gateway.conf import gateway_settings, is_seller_variant, split_variant
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models.fields import ZERO, AuthorizedField, CaptureMethodField, MoneyField
from django_stripe_gateway.models.logs import PaymentLog
from django_stripe_gateway.models.payment_querysets import PaymentQuerySet
from django_stripe_gateway.models.provider_accounts import OfAccount
from django_stripe_gateway.models.return_urls import confirmation_url, return_url
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.transitions import AUTHENTICATION_REQUIRED, CANCELLABLE, PAYABLE, can_transition

# The rest of the app has django-payments' names from here.
__all__ = ["AbstractPayment", "Payment", "get_payment_model", "new_token", "status_changed"]


def new_token() -> str:
    """Return an unguessable token for a payment."""
    return str(uuid.uuid4())


class AbstractPayment(OfAccount, BasePayment):
    """One payment. Subclass it and name the subclass in ``PAYMENT_MODEL`` to add fields of your own.

    ``total`` is what is asked for, ``authorized_amount`` what the provider has held or taken at most,
    ``captured_amount`` what was taken and ``refunded_amount`` what was given back, all in ``currency``'s own units.
    None of the last three is ever more than the one before it, and the database holds that. Change them through the
    services (or the methods below, which call them): they hold the row's lock, follow the transition table and keep
    the audit trail.
    """

    # django-payments carries no types.
    status: str
    currency: str

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        # The composite index below serves it.
        db_index=False,
    )
    gateway = models.CharField(_("gateway"), max_length=64, blank=True, default="")
    # A composite index below serves it.
    order_id = models.CharField(_("order"), max_length=255, blank=True, default="")
    metadata = models.JSONField(_("metadata"), blank=True, default=dict)
    # Empty until the row is stored: then as the variant is configured.
    capture_method = CaptureMethodField(
        _("capture method"), max_length=16, choices=CaptureMethod.choices, blank=True, default=""
    )
    # What was made at the provider to take the payment (cs_… or pi_…), and the intent that holds the money (pi_…).
    transaction_id = models.CharField(_("transaction"), max_length=255, blank=True, db_index=True)
    intent_id = models.CharField(_("intent"), max_length=255, blank=True, default="", db_index=True)
    # The provider's id of the customer whose payment it is there (cus_…); empty for a guest's.
    provider_customer_id = models.CharField(_("customer"), max_length=255, blank=True, default="", editable=False)
    token = models.CharField(max_length=36, unique=True, default=new_token, editable=False)
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    decline_code = models.CharField(_("decline code"), max_length=64, blank=True, default="")
    # Of the attempt that holds or has taken the money; the receipt opens to whoever has its address.
    payment_method_type = models.CharField(_("paid with"), max_length=64, blank=True, default="", editable=False)
    card_brand = models.CharField(_("card brand"), max_length=32, blank=True, default="", editable=False)
    card_last4 = models.CharField(_("last four digits"), max_length=4, blank=True, default="", editable=False)
    receipt_url = models.TextField(_("receipt"), blank=True, default="", editable=False)
    # Of a platform's payment: whose money it becomes (acct_…), who is shown as its merchant, and what the platform
    # keeps. Set before the payment is started; afterwards as the provider says.
    destination_id = models.CharField(_("destination"), max_length=255, blank=True, default="")
    on_behalf_of_id = models.CharField(_("on behalf of"), max_length=255, blank=True, default="")
    application_fee = MoneyField(_("application fee"), null=True, blank=True)
    # Made by nobody who has signed in: a token opens it to whoever has that, until somebody claims it.
    is_guest = models.BooleanField(_("guest"), default=False, editable=False)

    total = MoneyField(_("total"), default=ZERO)
    delivery = MoneyField(_("delivery"), default=ZERO)
    tax = MoneyField(_("tax"), default=ZERO)
    # What was released stays in it: it says how much there was to take.
    authorized_amount = AuthorizedField(_("authorised"), default=ZERO)
    captured_amount = MoneyField(_("captured"), default=ZERO)
    refunded_amount = MoneyField(_("refunded"), default=ZERO)
    # When the return page has asked the provider last.
    asked_on_return = models.DateTimeField(null=True, blank=True, editable=False)
    asked_in_vain = models.BooleanField(default=False, editable=False)

    objects: ClassVar[PaymentQuerySet[Any]] = PaymentQuerySet.as_manager()  # type: ignore[assignment]

    # Secret of the provider's object for the customer's browser; handed on after a call, never stored.
    client_secret: str = ""
    # Where the customer's bank asks them to authenticate; handed on after a call, never stored.
    action_url: str = ""
    # Scheme and host of the return URLs while PAYMENT_HOST is not set; known only during a request.
    base_url: str = ""

    class Meta:
        abstract = True
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["owner", "-id"]),
            models.Index(fields=["order_id", "owner"]),
            models.Index(fields=["status", "created"]),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(
                    refunded_amount__gte=0,
                    refunded_amount__lte=models.F("captured_amount"),
                    captured_amount__lte=models.F("authorized_amount"),
                ),
                name="%(app_label)s_%(class)s_money",
            ),
            models.CheckConstraint(
                condition=models.Q(application_fee__isnull=True) | models.Q(application_fee__gte=0),
                name="%(app_label)s_%(class)s_fee",
            ),
        ]

    def __str__(self) -> str:
        return f"Payment {self.pk}: {self.display_amount()} ({self.status})"

    @classmethod
    def check(cls, **kwargs: Any) -> list[checks.CheckMessage]:
        """Check the model; also that a subclass has kept every field."""
        return [*super().check(**kwargs), *cls._check_kept_fields()]

    @classmethod
    def _check_kept_fields(cls) -> list[checks.CheckMessage]:
        kept = {field.name for field in cls._meta.fields}
        return [
            # Django says nothing when a ForeignKey called "order" takes the place of "order_id".
            checks.Error(
                f"{cls.__name__} has lost the field {field.name} of AbstractPayment.",
                hint=f"Rename what replaces it, such as a ForeignKey called {field.name.removesuffix('_id')!r}.",
                obj=cls,
                id="django_stripe_gateway.E040",
            )
            for field in AbstractPayment._meta.fields
            if field.name not in kept
        ]

    def save(self, **kwargs: Any) -> None:
        """Save without django-payments' query for a free token: the column is unique and its default random."""
        if not self.token:
            self.token = new_token()
        self.currency = self.currency.upper()
        for field in self._meta.concrete_fields:
            # A host may have written 10 or "10.00"; what is compared and shown afterwards are decimals.
            value = getattr(self, field.attname) if isinstance(field, MoneyField) else None
            if value is not None and not isinstance(value, Decimal | BaseExpression):
                setattr(self, field.attname, field.to_python(value))
        written = kwargs.get("update_fields")
        if written is not None and "captured_amount" in written:
            # Other providers of django-payments know nothing of what was authorised; see AuthorizedField.
            kwargs["update_fields"] = {*written, "authorized_amount"}
        super().save(**kwargs)

    # Predicates; the queryset filters of the same names agree with them.

    @property
    def is_payable(self) -> bool:
        """Whether the customer can still pay."""
        return self.status in PAYABLE

    @property
    def is_preauthorized(self) -> bool:
        """Whether the payment waits for its capture."""
        return self.status == PaymentStatus.PREAUTH

    @property
    def is_confirmed(self) -> bool:
        """Whether the money was taken and not wholly given back."""
        return self.status == PaymentStatus.CONFIRMED

    @property
    def is_cancellable(self) -> bool:
        """Whether the payment can be cancelled or released."""
        return self.status in CANCELLABLE

    @property
    def is_refundable(self) -> bool:
        """Whether something can still be given back (refunds under way not counted)."""
        return self.is_confirmed and self.captured_amount > self.refunded_amount

    @property
    def is_partially_refunded(self) -> bool:
        """Whether a part was given back."""
        return self.is_confirmed and self.refunded_amount > 0

    @property
    def waits_for_authentication(self) -> bool:
        """Whether a charge without its customer was refused, because the bank wants to hear from them."""
        return self.is_payable and self.failure_code == AUTHENTICATION_REQUIRED

    @property
    def requires_action(self) -> bool:
        """Whether the customer has to authenticate before the payment can be made."""
        if not self.is_payable:
            return False
        return self.waits_for_authentication or self.stored_intent.get("status") == "requires_action"

    @property
    def seller_account(self) -> str:
        """The seller's account on which the payment is taken (``acct_…``), empty where it is the gateway's own."""
        return split_variant(self.variant)[1]

    def refundable_amount(self) -> Decimal:
        """Return what can still be given back: captured, less every refund that succeeded or is under way."""
        held = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED)
        # From the database of this very row: a replica may not know the latest refund.
        refunds = self.refunds.db_manager(self._state.db).filter(status__in=held)
        left: Decimal = self.captured_amount - sum(refunds.values_list("amount", flat=True), ZERO)
        return left

    @property
    def stored_session(self) -> dict[str, Any]:
        """The Checkout Session as it was last known, empty if there is none."""
        return self._stored("session")

    @property
    def stored_intent(self) -> dict[str, Any]:
        """What holds the money, as it was last known, empty if there is nothing."""
        return self._stored("intent")

    def _stored(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self.extra_data or "{}").get(name)
        except (ValueError, AttributeError):
            # What a host has written there itself need not be JSON.
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def gateway_url(self) -> str:
        """Where the customer pays, while that is possible; empty otherwise."""
        session = self.stored_session
        is_open = self.is_payable and session.get("status", "open") == "open"
        return str(session.get("url") or "") if is_open else ""

    @property
    def needs_secret(self) -> bool:
        """Whether the customer pays on a page within the host's own, for which the provider has a secret."""
        session = self.stored_session
        is_within = session.get("status") == "open" and not session.get("url")
        return self.is_payable and is_within and not self.client_secret

    def display_amount(self) -> str:
        """Return the total with its currency, in the currency's precision."""
        return display_amount(self.total, self.currency)

    # What django-payments asks of a payment.

    def get_form(self, data: Any = None) -> Any:
        """Start the payment at its provider; django-payments' own knows no seller's variant."""
        return self._provider().get_form(self, data=data)

    def get_purchased_items(self) -> Iterable[PurchasedItem]:
        """Return the lines that the customer sees at the provider; override to show your own.

        Their prices must add up to ``total`` less ``delivery`` and ``tax``; if they do not, one line with the total
        is shown instead, because the total is what will be charged.
        """
        name = self.description[:250] or (f"Order {self.order_id}" if self.order_id else f"Payment {self.pk}")
        price = self.total - self.delivery - self.tax
        yield PurchasedItem(name=name, quantity=1, price=price, currency=self.currency, sku=self.order_id)

    def get_success_url(self) -> str:
        """Return the signed URL that the provider sends a paying customer to."""
        return return_url(self, "success", self.base_url)

    def get_confirmation_url(self) -> str:
        """Return the signed URL of the page on which the customer confirms a payment that was begun without them.

        Whoever holds it can make this payment, and nothing else: send it to the customer alone.
        """
        return confirmation_url(self, self.base_url)

    def get_failure_url(self) -> str:
        """Return the signed URL that the provider sends a customer to who gave up."""
        return return_url(self, "failure", self.base_url)

    def capture(self, amount: Decimal | None = None) -> None:
        """Capture an authorised payment, wholly or in part.

        Raises:
            ValueError: the payment is not authorised, or the amount is not acceptable.
            payments.PaymentError: the provider refused or failed.
        """
        if not self._through_provider("capture", amount):
            super().capture(amount)
            # change_status() writes the status alone.
            self.save(update_fields=["captured_amount", "modified"])

    def release(self) -> None:
        """Release an authorised payment; see ``capture`` for what is raised."""
        if self._through_provider("release"):
            return
        if not self.is_preauthorized:
            raise ValueError("Only pre-authorized payments can be released.")
        self._provider().release(self)
        # django-payments calls it refunded, but no money had been taken.
        self.change_status(PaymentStatus.CANCELLED)

    def refund(self, amount: Decimal | None = None) -> None:
        """Give back the payment, wholly or in part; see ``capture`` for what is raised."""
        if not self._through_provider("refund", amount):
            super().refund(amount)

    def cancel(self) -> None:
        """Cancel a payment that waits for its customer; see ``capture`` for what is raised."""
        if not self._through_provider("cancel"):
            super().cancel()

    def change_status(self, status: Any, message: str = "") -> None:
        """Move to ``status`` under the row's lock, along the transition table.

        For other providers of django-payments; the services do it themselves. ``status_changed`` is sent after commit.

        Raises:
            WrongState: the table does not allow the move.
        """
        model = type(self)
        database = router.db_for_write(model, instance=self)
        with transaction.atomic(using=database):
            current = model._default_manager.using(database).select_for_update().only("status").get(pk=self.pk).status
            if current != status and not can_transition(current, status):
                raise WrongState(f"A payment that is {current} cannot become {status}.")
            self.status = status
            self.message = message
            self.save(using=database, update_fields=["status", "message", "modified"])
            if current != status:
                PaymentLog.objects.using(database).create(
                    payment=self,
                    event=LogEvent.STATUS_CHANGED,
                    message=f"{current} -> {status}",
                    data={"from": current, "to": status},
                )
            transaction.on_commit(lambda: status_changed.send(sender=model, instance=self), using=database, robust=True)

    def change_fraud_status(self, status: Any, message: str = "", commit: bool = True) -> None:
        """Set the fraud status, and write nothing but that: django-payments would write the whole row.

        Raises:
            ValueError: there is no such fraud status.
        """
        if status not in FraudStatus.values:
            raise ValueError(f"The fraud status is one of {', '.join(FraudStatus.values)}.")
        self.fraud_status = status
        self.fraud_message = message
        if commit:
            self.save(update_fields=["fraud_status", "fraud_message", "modified"])

    def _provider(self) -> Any:
        """Return django-payments' provider of the variant; of a seller's, that of the platform's entry."""
        if is_seller_variant(self.variant) and self.variant not in gateway_settings.variants:
            raise ValueError(f"Payment variant does not exist: {self.variant}")
        return provider_factory(split_variant(self.variant)[0], self)

    def _through_provider(self, name: str, *args: Any) -> bool:
        """Call a provider of this app, which records the change itself; return False for any other provider."""
        provider = self._provider()
        if not getattr(provider, "records_changes", False):
            return False
        getattr(provider, name)(self, *args)
        return True


class Payment(AbstractPayment):
    """The payment model that is used unless ``PAYMENT_MODEL`` names another."""

    class Meta(AbstractPayment.Meta):
        swappable = "PAYMENT_MODEL"
