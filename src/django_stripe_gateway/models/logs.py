"""The audit trails of payments and subscriptions: rows are added, never changed or removed."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, TypeVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import LogEvent, LogSource, SubscriptionLogEvent


class AppendOnlyError(TypeError):
    """Somebody tried to change or remove a line of the audit trail."""


L = TypeVar("L", bound=models.Model)


class AppendOnlyQuerySet(models.QuerySet[L]):
    """Lines of the audit trail; can be read and added to."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnlyError("The audit trail can only be added to.")

    def delete(self) -> NoReturn:
        """Refuse."""
        raise AppendOnlyError("The audit trail can only be added to.")

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> list[L]:
        """Add lines; refuse to change those that exist."""
        if kwargs.get("update_conflicts") or len(args) > 2:
            raise AppendOnlyError("The audit trail can only be added to.")
        return super().bulk_create(objs, *args, **kwargs)

    def bulk_update(self, objs: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnlyError("The audit trail can only be added to.")


class AbstractLog(models.Model):
    """One thing that happened: what, from where, by whom, and the values that matter."""

    source = models.CharField(_("source"), max_length=16, choices=LogSource.choices, default=LogSource.SYSTEM)
    actor = models.CharField(_("actor"), max_length=64, blank=True, default="")
    message = models.CharField(_("message"), max_length=255, blank=True, default="")
    data = models.JSONField(_("data"), default=dict, blank=True)
    # The provider's id of the webhook event that brought the change; kept when the stored event is purged.
    event_id = models.CharField(_("webhook event"), max_length=255, blank=True, default="")
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        abstract = True

    def save(self, **kwargs: Any) -> None:
        """Add the line; a line that exists is never changed."""
        if not self._state.adding:
            raise AppendOnlyError("The audit trail can only be added to.")
        # With the number of an existing line Django would try an UPDATE first.
        super().save(**kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnlyError("The audit trail can only be added to.")


class PaymentLog(AbstractLog):
    """One thing that happened to a payment."""

    payment = models.ForeignKey(settings.PAYMENT_MODEL, on_delete=models.PROTECT, related_name="logs", db_index=False)
    event = models.CharField(_("event"), max_length=32, choices=LogEvent.choices)

    objects: ClassVar[AppendOnlyQuerySet[PaymentLog]] = AppendOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("payment log")
        verbose_name_plural = _("payment logs")
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["payment", "id"], name="dsg_log_payment_id"),
            # Who was erased is asked again and again.
            models.Index(fields=["event"], name="dsg_log_event"),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.message}" if self.message else str(self.event)


class SubscriptionLog(AbstractLog):
    """One thing that happened to a subscription."""

    subscription = models.ForeignKey(
        "django_stripe_gateway.Subscription", on_delete=models.PROTECT, related_name="logs", db_index=False
    )
    event = models.CharField(_("event"), max_length=32, choices=SubscriptionLogEvent.choices)

    objects: ClassVar[AppendOnlyQuerySet[SubscriptionLog]] = AppendOnlyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("subscription log")
        verbose_name_plural = _("subscription logs")
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["subscription", "id"], name="dsg_sub_log_subscription")
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.message}" if self.message else str(self.event)
