"""The values that status columns hold."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class PaymentStatus(models.TextChoices):
    """Status of a payment; the values are django-payments' own, so that its hosts can keep their code."""

    WAITING = "waiting", pgettext_lazy("payment status", "Waiting for confirmation")
    PREAUTH = "preauth", pgettext_lazy("payment status", "Pre-authorized")
    CONFIRMED = "confirmed", pgettext_lazy("payment status", "Confirmed")
    REJECTED = "rejected", pgettext_lazy("payment status", "Rejected")
    REFUNDED = "refunded", pgettext_lazy("payment status", "Refunded")
    ERROR = "error", pgettext_lazy("payment status", "Error")
    INPUT = "input", pgettext_lazy("payment status", "Input")
    CANCELLED = "cancelled", pgettext_lazy("payment status", "Cancelled")


class FraudStatus(models.TextChoices):
    """django-payments' fraud states; a dispute moves a payment through them."""

    UNKNOWN = "unknown", pgettext_lazy("fraud status", "Unknown")
    ACCEPT = "accept", pgettext_lazy("fraud status", "Passed")
    REJECT = "reject", pgettext_lazy("fraud status", "Rejected")
    REVIEW = "review", pgettext_lazy("fraud status", "Review")


class CaptureMethod(models.TextChoices):
    """When the money is taken: at once, or by a later capture of an authorisation."""

    AUTOMATIC = "automatic", _("Automatic")
    MANUAL = "manual", _("Manual")


class RefundStatus(models.TextChoices):
    """Status of a refund, as Stripe names it."""

    PENDING = "pending", pgettext_lazy("refund status", "Pending")
    REQUIRES_ACTION = "requires_action", pgettext_lazy("refund status", "Requires action")
    SUCCEEDED = "succeeded", pgettext_lazy("refund status", "Succeeded")
    FAILED = "failed", pgettext_lazy("refund status", "Failed")
    CANCELED = "canceled", pgettext_lazy("refund status", "Canceled")


class RefundReason(models.TextChoices):
    """Reasons that Stripe accepts for a refund."""

    DUPLICATE = "duplicate", _("Duplicate")
    FRAUDULENT = "fraudulent", _("Fraudulent")
    REQUESTED_BY_CUSTOMER = "requested_by_customer", _("Requested by customer")


class OperationKind(models.TextChoices):
    """What an operation asks the provider to do."""

    CREATE = "create", _("Create")
    CONFIRM = "confirm", _("Confirm")
    CAPTURE = "capture", _("Capture")
    CANCEL = "cancel", _("Cancel")
    REFUND = "refund", _("Refund")


class OperationState(models.TextChoices):
    """Whether the provider's answer to an operation is known."""

    PENDING = "pending", _("Pending")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


class LogEvent(models.TextChoices):
    """What a line of the audit trail is about."""

    CREATED = "created", _("Created")
    STATUS_CHANGED = "status_changed", _("Status changed")
    UPDATED = "updated", _("Updated")
    REFUND_CREATED = "refund_created", _("Refund created")
    REFUND_UPDATED = "refund_updated", _("Refund updated")
    OPERATION_FAILED = "operation_failed", _("Operation failed")
    DISPUTE = "dispute", _("Dispute")
    MISMATCH = "mismatch", _("Mismatch")


class LogSource(models.TextChoices):
    """Where a change came from."""

    API = "api", _("API")
    WEBHOOK = "webhook", _("Webhook")
    ADMIN = "admin", _("Admin")
    SYSTEM = "system", _("System")


class WebhookState(models.TextChoices):
    """What has become of a stored webhook event."""

    RECEIVED = "received", _("Received")
    PROCESSED = "processed", _("Processed")
    IGNORED = "ignored", _("Ignored: nobody handles its type")
    UNMATCHED = "unmatched", _("Unmatched: its object is unknown here")
    MISMATCHED = "mismatched", _("Mismatched: it contradicts the payment")
    FAILED = "failed", _("Failed")
    DEAD = "dead", _("Dead: given up after too many attempts")
