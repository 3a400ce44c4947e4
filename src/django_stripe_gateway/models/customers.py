"""Customers: who is billed, in each account of the provider."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import BillingOperationKind, OperationState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models.provider_accounts import AccountQuerySet, OfAccount, of_current_accounts

# What is asked of the provider under these kinds may begin to charge, or be charged once more.
CHARGING = (
    BillingOperationKind.SUBSCRIBE,
    BillingOperationKind.CHECKOUT,
    BillingOperationKind.CHANGE,
    BillingOperationKind.ADD_ITEM,
    BillingOperationKind.CHANGE_ITEM,
    BillingOperationKind.SCHEDULE_CHANGE,
    BillingOperationKind.RESUME,
    BillingOperationKind.UNPAUSE,
    BillingOperationKind.PAY_INVOICE,
    BillingOperationKind.CREATE_INVOICE,
)


class CustomerQuerySet(AccountQuerySet["Customer"]):
    """Questions about customers."""

    def for_owner(self, owner: Any) -> CustomerQuerySet:
        """Return the customers that stand for one owner, one for each account."""
        return self.filter(owner=owner)

    def of_configured_account(self) -> CustomerQuerySet:
        """See ``AccountQuerySet``."""
        return self.filter(of_current_accounts())

    def current(self) -> CustomerQuerySet:
        """Return those of the accounts that are configured now, the one first whose account is known."""
        return self.of_configured_account().order_by("-account_id", "-pk")

    def with_changed_details(self) -> CustomerQuerySet:
        """Return the customers whose owner was saved since their details were sent."""
        known = self.filter(details_changed__isnull=False, provider_id__isnull=False, deleted__isnull=True)
        return known.of_configured_account()

    def with_running(self) -> CustomerQuerySet:
        """Return the customers who have a subscription that is not over, a page that can start one included.

        Also one of another account, or that its provider has lost: a wrong key says so of all, and they charge on. It
        runs until somebody gives up on it.
        """
        subscriptions: Any = Customer._meta.get_field("subscriptions").related_model
        running = subscriptions.objects.not_ended()
        return self.filter(Exists(running.filter(customer=OuterRef("pk"))))

    def charged(self) -> CustomerQuerySet:
        """Return the customers who are charged on, or may be: something runs, or is being asked of the provider."""
        operations: Any = Customer._meta.get_field("operations").related_model
        asked = operations._base_manager.filter(customer=OuterRef("pk"), state=OperationState.PENDING)
        return self.filter(pk__in=self.with_running().values("pk")) | self.filter(
            Exists(asked.filter(kind__in=CHARGING))
        )

    def without_owner(self) -> CustomerQuerySet:
        """Return the customers whose owner is gone, also where a statement past Django has left the key behind."""
        owners = apps.get_model(settings.STRIPE_GATEWAY_OWNER_MODEL)._base_manager
        return self.filter(~Exists(owners.filter(pk=OuterRef("owner_id"))))

    def orphaned(self) -> CustomerQuerySet:
        """Return the customers who are charged on though their owner is gone."""
        return self.without_owner().with_running()


def leave_without_owner(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Let customers outlive their owner; tell whoever only looks what is in the way of a deletion.

    That is the admin, which collects before it deletes, to show what is protected. What is deleted itself is refused,
    with a sentence, by ``services.leaving.owners``.

    Raises:
        ProtectedError: something still runs, and the settings say that its owner stays.
    """
    if gateway_settings.deleted_owners == "refuse" and hasattr(collector, "protected"):
        rows = Customer.objects.using(using).filter(pk__in=[customer.pk for customer in sub_objs])
        held: set[Any] = {StillCharged(customer) for customer in rows.charged()}
        if held:
            raise models.ProtectedError("", held)
    models.SET_NULL(collector, field, sub_objs, using)


class Customer(OfAccount):
    """An owner (a user, or whatever ``STRIPE_GATEWAY_OWNER_MODEL`` names) as one account knows it.

    The row is made before the provider is asked; its lock keeps two requests of one owner apart.
    """

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        # The provider's records outlive the user.
        on_delete=leave_without_owner,
        related_name="+",
    )
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("customer"), max_length=255, null=True, blank=True)
    # Ids of those that the provider has deleted, or as whom the owner has bought beside this one on a page of the
    # provider's; events about what they had subscribed to keep naming them.
    former_ids = models.JSONField(default=list, blank=True, editable=False)
    default_payment_method = models.CharField(_("payment method"), max_length=255, blank=True, default="")
    # What was last sent of the owner's details, as a digest: enough to see that they have changed.
    details_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    # When the owner was saved since; cleared once the provider has the details.
    details_changed = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    deleted = models.DateTimeField(_("deleted at the provider"), null=True, blank=True)
    # When the personal data was erased: what arrives later about this customer is stored without it.
    erased = models.DateTimeField(_("erased"), null=True, blank=True)
    # See Subscription.provider_time.
    provider_time = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["owner", "variant", "livemode", "account_id"], name="dsg_customer_owner_once"
            ),
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_customer_provider_once"),
        ]

    def __str__(self) -> str:
        return self.provider_id or f"customer {self.pk}"

    @property
    def exists_at_provider(self) -> bool:
        """Whether the provider can bill it."""
        return bool(self.provider_id) and self.deleted is None

    def has_erased(self, made: datetime | None) -> bool:
        """Return whether what was made then, or is new, is about somebody whose personal data was erased.

        Who comes back is made anew at the provider, and what they have from then on is theirs again.
        """
        if self.erased is None:
            return False
        return not self.exists_at_provider or (made is not None and made < self.erased)

    def is_known_as(self, provider_id: str) -> bool:
        """Return whether ``provider_id`` is, or was, the provider's name of this customer."""
        return provider_id == self.provider_id or provider_id in self.former_ids


class StillCharged:
    """A customer as the admin shows it among what is in the way of a deletion, with what to do about it.

    No model that the admin knows, of which it would say instead that nobody may delete it.
    """

    _meta = Customer._meta

    def __init__(self, customer: Customer) -> None:
        self.customer = customer

    def __str__(self) -> str:
        sentence = _("%(customer)s is still charged, or may be. End that with close_account first.")
        return str(sentence) % {"customer": self.customer}
