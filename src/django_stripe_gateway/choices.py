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


class CreditNoteStatus(models.TextChoices):
    """Status of a credit note, as Stripe names it; ``PENDING`` and ``FAILED`` are ours, of one that was asked for."""

    PENDING = "pending", pgettext_lazy("credit note status", "Pending")
    ISSUED = "issued", pgettext_lazy("credit note status", "Issued")
    VOID = "void", pgettext_lazy("credit note status", "Void")
    FAILED = "failed", pgettext_lazy("credit note status", "Failed")


class CreditNoteReason(models.TextChoices):
    """Reasons that Stripe accepts for a credit note."""

    DUPLICATE = "duplicate", _("Duplicate")
    FRAUDULENT = "fraudulent", _("Fraudulent")
    ORDER_CHANGE = "order_change", _("Order change")
    PRODUCT_UNSATISFACTORY = "product_unsatisfactory", _("Product unsatisfactory")


#: Statuses of disputes that are over (https://docs.stripe.com/api/disputes/object#dispute_object-status).
DISPUTES_WON = ("won", "warning_closed", "prevented", "charge_refunded")
DISPUTES_LOST = ("lost",)
#: How the statuses of inquiries begin, which take no money.
INQUIRY = "warning_"


class OperationKind(models.TextChoices):
    """What an operation asks the provider to do."""

    CREATE = "create", _("Create")
    CHARGE = "charge", _("Charge without the customer")
    CONFIRM = "confirm", _("Confirm")
    CAPTURE = "capture", _("Capture")
    CANCEL = "cancel", _("Cancel")
    REFUND = "refund", _("Refund")
    ACCEPT = "accept", _("Accept unexpected money")
    RETURN = "return", _("Give back unexpected money")


class UnexpectedReason(models.TextChoices):
    """In which way money was not expected."""

    AMOUNT = "amount", pgettext_lazy("unexpected money", "Another amount or currency")
    SECOND = "second", pgettext_lazy("unexpected money", "Paid on an earlier page")


class UnexpectedState(models.TextChoices):
    """What was decided about unexpected money."""

    OPEN = "open", pgettext_lazy("unexpected money", "To be decided")
    ACCEPTED = "accepted", pgettext_lazy("unexpected money", "Accepted")
    RETURNED = "returned", pgettext_lazy("unexpected money", "Given back")


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
    GIVEN_UP = "given_up", _("Given up")
    ERASED = "erased", _("Personal data erased")


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
    IGNORED = "ignored", _("Ignored: it concerns nothing here")
    UNMATCHED = "unmatched", _("Unmatched: its object is unknown here")
    MISMATCHED = "mismatched", _("Mismatched: it contradicts the payment")
    FAILED = "failed", _("Failed")
    DEAD = "dead", _("Dead: given up after too many attempts")


class PriceUsage(models.TextChoices):
    """What a price is multiplied by: a quantity that is agreed on, or what a meter has counted."""

    LICENSED = "licensed", _("Licensed")
    METERED = "metered", _("Metered")


class SubscriptionItemKind(models.TextChoices):
    """What an item of a subscription is to us."""

    PLAN = "plan", pgettext_lazy("item of a subscription", "Plan")
    ADD_ON = "add_on", pgettext_lazy("item of a subscription", "Add-on")
    METERED = "metered", pgettext_lazy("item of a subscription", "Metered")
    UNKNOWN = "unknown", pgettext_lazy("item of a subscription", "Unknown")


class PlanInterval(models.TextChoices):
    """How often a price is charged, as Stripe names it."""

    DAY = "day", _("Day")
    WEEK = "week", _("Week")
    MONTH = "month", _("Month")
    YEAR = "year", _("Year")


# What intervals are compared by.
#: Stripe takes no longer trial (https://docs.stripe.com/api/subscriptions/create#create_subscription-trial_end).
MOST_TRIAL_DAYS = 730
DAYS_OF_INTERVAL = {"day": 1, "week": 7, "month": 30, "year": 365}


class LimitPeriod(models.TextChoices):
    """After which time the use of a limited thing starts from zero again."""

    DAY = "day", _("Day")
    WEEK = "week", _("Week")
    MONTH = "month", _("Month")
    BILLING_PERIOD = "billing_period", _("Billing period")
    LIFETIME = "lifetime", _("Never")


class SubscriptionStatus(models.TextChoices):
    """Status of a subscription, as Stripe names it; ``STARTING`` is ours, before Stripe has answered."""

    STARTING = "starting", pgettext_lazy("subscription status", "Starting")
    INCOMPLETE = "incomplete", pgettext_lazy("subscription status", "Waiting for its first payment")
    INCOMPLETE_EXPIRED = "incomplete_expired", pgettext_lazy("subscription status", "Never paid")
    TRIALING = "trialing", pgettext_lazy("subscription status", "In trial")
    ACTIVE = "active", pgettext_lazy("subscription status", "Active")
    PAST_DUE = "past_due", pgettext_lazy("subscription status", "Past due")
    UNPAID = "unpaid", pgettext_lazy("subscription status", "Unpaid")
    CANCELED = "canceled", pgettext_lazy("subscription status", "Ended")
    PAUSED = "paused", pgettext_lazy("subscription status", "Paused")


class InvoiceStatus(models.TextChoices):
    """Status of an invoice, as Stripe names it."""

    DRAFT = "draft", pgettext_lazy("invoice status", "Draft")
    OPEN = "open", pgettext_lazy("invoice status", "Open")
    PAID = "paid", pgettext_lazy("invoice status", "Paid")
    UNCOLLECTIBLE = "uncollectible", pgettext_lazy("invoice status", "Uncollectible")
    VOID = "void", pgettext_lazy("invoice status", "Void")


#: The billing reason of an invoice that the seller has made by hand.
SELLERS_OWN = "manual"


class BillingOperationKind(models.TextChoices):
    """What a billing operation asks the provider to do."""

    CREATE_CUSTOMER = "create_customer", _("Create a customer")
    UPDATE_CUSTOMER = "update_customer", _("Update a customer")
    SUBSCRIBE = "subscribe", _("Subscribe")
    CHECKOUT = "checkout", _("Subscribe through Checkout")
    CHANGE = "change", _("Change")
    CANCEL = "cancel", _("Cancel")
    RESUME = "resume", _("Resume")
    PAUSE = "pause", _("Pause")
    UNPAUSE = "unpause", _("Unpause")
    ADD_PAYMENT_METHOD = "add_payment_method", _("Add a payment method")
    SET_DEFAULT_PAYMENT_METHOD = "set_default_pm", _("Set the default payment method")
    REMOVE_PAYMENT_METHOD = "remove_payment_method", _("Remove a payment method")
    SETUP_CHECKOUT = "setup_checkout", _("Add a payment method through Checkout")
    PAY_INVOICE = "pay_invoice", _("Pay an invoice")
    ADD_INVOICE_ITEM = "add_invoice_item", _("Put something on an invoice")
    CREATE_INVOICE = "create_invoice", _("Make an invoice")
    REFUND_INVOICE = "refund_invoice", _("Refund an invoice")
    CREDIT_NOTE = "credit_note", _("Issue a credit note")
    VOID_CREDIT_NOTE = "void_credit_note", _("Void a credit note")
    PORTAL = "portal", _("Open the portal")
    ADD_ITEM = "add_item", _("Add an item")
    CHANGE_ITEM = "change_item", _("Change an item")
    REMOVE_ITEM = "remove_item", _("Remove an item")
    SCHEDULE_CHANGE = "schedule_change", _("Schedule a change")
    CANCEL_CHANGE = "cancel_change", _("Cancel a scheduled change")
    CHANGE_TRIAL = "change_trial", _("Change the trial")
    CHANGE_DISCOUNT = "change_discount", _("Change the discount")
    CHANGE_COLLECTION = "change_collection", _("Change how it is collected")
    ABANDON = "abandon", _("Abandon a start")
    DELETE_CUSTOMER = "delete_customer", _("Delete a customer")


class CatalogueOperationKind(models.TextChoices):
    """What a catalogue operation asks the provider to do."""

    CREATE_PRODUCT = "create_product", _("Create a product")
    UPDATE_PRODUCT = "update_product", _("Update a product")
    ARCHIVE_PRODUCT = "archive_product", _("Archive a product")
    CREATE_PRICE = "create_price", _("Create a price")
    ARCHIVE_PRICE = "archive_price", _("Archive a price")
    RESTORE_PRICE = "restore_price", _("Restore a price")
    SET_LOOKUP_KEY = "set_lookup_key", _("Set a lookup key")
    CREATE_METER = "create_meter", _("Create a meter")


class ConnectOperationKind(models.TextChoices):
    """What a connect operation asks the provider to do."""

    CREATE_ACCOUNT = "create_account", _("Create an account")
    ONBOARDING = "onboarding", _("Open the onboarding")


class SubscriptionLogEvent(models.TextChoices):
    """What a line of a subscription's audit trail is about."""

    CREATED = "created", _("Created")
    STATUS_CHANGED = "status_changed", _("Status changed")
    UPDATED = "updated", _("Updated")
    ITEMS_CHANGED = "items_changed", _("Items changed")
    INVOICE = "invoice", _("Invoice")
    OPERATION_FAILED = "operation_failed", _("Operation failed")
    MISMATCH = "mismatch", _("Mismatch")
    MISSING = "missing", _("Unknown at the provider")
    GIVEN_UP = "given_up", _("Given up")


class UsageKind(models.TextChoices):
    """How a line of the ledger came about."""

    CONSUME = "consume", pgettext_lazy("usage", "Used")
    COMMIT = "commit", pgettext_lazy("usage", "Used after a reservation")
    REFUND = "refund", pgettext_lazy("usage", "Given back")


class ReservationState(models.TextChoices):
    """What has become of reserved units."""

    HELD = "held", pgettext_lazy("usage reservation", "Held")
    COMMITTED = "committed", pgettext_lazy("usage reservation", "Used")
    RELEASED = "released", pgettext_lazy("usage reservation", "Released")
    EXPIRED = "expired", pgettext_lazy("usage reservation", "Expired")


class MeterEventState(models.TextChoices):
    """Whether the provider's meter knows of an event; ``UNCLEAR`` if sending it again could count it twice."""

    PENDING = "pending", pgettext_lazy("meter event", "Pending")
    SENT = "sent", pgettext_lazy("meter event", "Sent")
    REFUSED = "refused", pgettext_lazy("meter event", "Refused")
    UNCLEAR = "unclear", pgettext_lazy("meter event", "Unclear")


class MailKind(models.TextChoices):
    """What an e-mail to a customer is about; the names that ``STRIPE_GATEWAY_MAILS`` takes."""

    PAID = "paid", pgettext_lazy("mail", "Paid")
    REFUNDED = "refunded", pgettext_lazy("mail", "Refunded")
    PAYMENT_FAILED = "payment_failed", pgettext_lazy("mail", "Payment failed")
    ACTION_REQUIRED = "action_required", pgettext_lazy("mail", "Customer must act")
    TRIAL_ENDING = "trial_ending", pgettext_lazy("mail", "Trial ends soon")
    RENEWAL_COMING = "renewal_coming", pgettext_lazy("mail", "Renews soon")
    CARD_EXPIRING = "card_expiring", pgettext_lazy("mail", "Card expires soon")


class MailState(models.TextChoices):
    """Whether an e-mail was sent; ``UNKNOWN`` if its sender died, or lost the server, while handing it over."""

    PENDING = "pending", pgettext_lazy("mail", "Pending")
    SENDING = "sending", pgettext_lazy("mail", "Being sent")
    SENT = "sent", pgettext_lazy("mail", "Sent")
    SKIPPED = "skipped", pgettext_lazy("mail", "Not needed")
    DEAD = "dead", pgettext_lazy("mail", "Given up")
    UNKNOWN = "unknown", pgettext_lazy("mail", "Nobody knows whether it was sent")
