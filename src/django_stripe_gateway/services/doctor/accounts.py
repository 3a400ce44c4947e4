"""Which account each variant stands for, and what in this database belongs to others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet

from django_stripe_gateway.accounts import configured_account
from django_stripe_gateway.choices import InvoiceStatus, PaymentStatus
from django_stripe_gateway.conf import gateway_settings, is_seller_variant
from django_stripe_gateway.exceptions import AccountContradicted, GatewayError, ProviderError
from django_stripe_gateway.models import Customer, Invoice, Plan, PlanPricing, Subscription, get_payment_model
from django_stripe_gateway.models.provider_accounts import current_account, may_be_of_another
from django_stripe_gateway.services.accounts import learn_account, uncontradicted_account
from django_stripe_gateway.services.doctor.findings import Finding
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS, PAYABLE

GIVE_UP = "admin, {page}: select them, “Give up on selected {page}”"
NOTHING = Q(pk__in=())
ASK = "admin, {page}: “Ask the provider about selected {page}”"
# What a look at the provider proves to be of the account whose key has asked; customers and invoices along with it.
UNPROVEN = {
    **dict.fromkeys(("customers", "subscriptions", "invoices"), ASK.format(page="subscriptions")),
    "payments": ASK.format(page="payments"),
}
WHY_UNPROVEN = "made before the account was known"
WHY_COUNTS = f"{WHY_UNPROVEN}: they count in any account of the mode"
# What of each model still waits for something, and the page where staff give up on it.
OPEN: dict[str, tuple[Q, str]] = {
    "subscriptions": (~Q(status__in=ENDED_SUBSCRIPTIONS), "subscriptions"),
    "payments": (Q(status__in=[*PAYABLE, PaymentStatus.PREAUTH]), "payments"),
    "customers": (NOTHING, ""),
    "prices": (NOTHING, ""),
    "invoices": (Q(status__in=[InvoiceStatus.DRAFT, InvoiceStatus.OPEN]), ""),
}


def keys(offline: bool) -> Iterator[Finding]:
    """Ask whose the keys are, and name the variants of which nobody can tell."""
    for variant in gateway_settings.variants:
        account = configured_account(variant)
        if account is None or not account.key_digest:
            continue
        try:
            known = uncontradicted_account(variant) if offline else learn_account(variant, anew=True)
        except GatewayError as error:
            yield Finding("keys", 1, error.detail, _remedy_for(error), variant, account.livemode)
            continue
        if known is None or not known.account_id:
            why = "nobody knows whose the key is: only the mode tells rows apart"
            remedy = "STRIPE_GATEWAY_ACCOUNT_ID, or the variant's option account_id"
            yield Finding("keys", 1, why, remedy, variant, account.livemode, is_problem=False)


def _remedy_for(error: GatewayError) -> str:
    if isinstance(error, AccountContradicted):
        return "STRIPE_GATEWAY_ACCOUNT_ID, or the key; give up on nothing until they agree"
    if isinstance(error, ProviderError):
        return "the provider is busy or down, or something between is: run manage.py doctor again later"
    return "the key is in STRIPE_GATEWAY_API_KEY or the variant's options; manage.py check"


def unproven_rows(offline: bool) -> Iterator[Finding]:
    """Count what may be of any account of its mode, though it is known by now which one is configured."""
    for name, rows in _tables().items():
        if name == "prices":
            # They entitle nobody, and the catalogue asks what there is of them.
            continue
        for variant in gateway_settings.variants:
            account = current_account(variant)
            if account is None or not account.account_id:
                continue
            unproven = rows.filter(variant=variant, livemode=account.livemode, account_id="")
            in_doubt = unproven.filter(may_be_of_another())
            if name == "payments":
                # Of what was never made at the provider nobody can be asked, and it is worth nothing.
                unproven, in_doubt = unproven.exclude(transaction_id=""), in_doubt.exclude(transaction_id="")
            count, has_had_another = unproven.count(), in_doubt.exists()
            if count and name == "payments":
                # Of what the provider does not know in this account nothing is left to do: it pays for nothing.
                why = f"{WHY_UNPROVEN}; they pay for no order meanwhile" if has_had_another else WHY_UNPROVEN
                yield Finding(name, count, why, UNPROVEN[name], variant, account.livemode, is_problem=False)
            elif count:
                remedy = UNPROVEN[name]
                yield Finding(name, count, WHY_COUNTS, remedy, variant, account.livemode, is_problem=has_had_another)


def foreign_rows(offline: bool) -> Iterator[Finding]:
    """Count what does not belong to the configured accounts."""
    for name, rows in _tables().items():
        # Sub-selected, because what is excluded has conditions of its own.
        foreign = rows.exclude(pk__in=rows.of_configured_account().values("pk"))
        is_open, page = OPEN[name]
        # An invoice goes with what it is of.
        remedy = GIVE_UP.format(page=page or "subscriptions")
        yield from _counted(name, foreign.filter(is_open), remedy, is_problem=bool(page))
        yield from _counted(name, foreign.exclude(is_open), "", is_problem=False)


def _tables() -> dict[str, Any]:
    using = payments_database()
    return {
        "customers": Customer.objects.using(using),
        "subscriptions": Subscription.objects.using(using),
        "prices": PlanPricing.objects.using(using),
        "invoices": Invoice.objects.using(using),
        "payments": get_payment_model()._default_manager.using(using),
    }


def _counted(name: str, rows: QuerySet[Any], remedy: str, *, is_problem: bool) -> Iterator[Finding]:
    groups = rows.order_by().values_list("variant", "livemode", "account_id").annotate(count=Count("pk"))
    for variant, livemode, account_id, count in groups.order_by("variant", "livemode", "account_id"):
        where = {"variant": variant, "livemode": livemode, "account_id": account_id}
        yield Finding(name, count, _why_foreign(variant, livemode), remedy, **where, is_problem=is_problem)


def _why_foreign(variant: str, livemode: bool) -> str:
    if variant not in gateway_settings.variants:
        is_sellers = is_seller_variant(variant)
        return "its seller is not connected any more" if is_sellers else "PAYMENT_VARIANTS has no such variant"
    account = current_account(variant)
    return "of the other mode" if account is not None and account.livemode != livemode else "of another account"


def unsold_plans(offline: bool) -> Iterator[Finding]:
    """Name the plans that were on sale in another account, and cannot be had in the configured one."""
    sold = PlanPricing.objects.using(payments_database()).sellable().values("plan")
    published = PlanPricing.objects.using(payments_database()).active().exclude(stripe_price_id=None).values("plan")
    plans = Plan.objects.using(payments_database()).active().filter(pk__in=published).exclude(pk__in=sold)
    count = plans.count()
    if count:
        why = "no price in the configured account: nobody can subscribe"
        yield Finding("plans", count, why, "manage.py sync_plans --push")
