"""Let Stripe deliver to this site exactly the event types that are handled here."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.urls import NoReverseMatch

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, as_table, sentence_of
from django_stripe_gateway.webhooks.registry import handled_patterns
from django_stripe_gateway.webhooks.stripe.endpoints import (
    Registration,
    accounts_to_register,
    register_endpoint,
    webhook_url,
)
from django_stripe_gateway.webhooks.stripe.event_types import thin_event_types

HEADER = ("account", "endpoint", "result", "event types", "API version", "url")


class Command(GatewayCommand):
    """Run it after each deployment: it changes nothing that is right already."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--variant", default="", help="only this payment variant's account (default: every account)"
        )
        parser.add_argument("--url", default="", help="the address (default: webhooks/stripe/ below PAYMENT_HOST)")
        parser.add_argument("--description", default="", help="what Stripe's Dashboard shows")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="make a new endpoint beside one of another API version; run again, it disables the old one",
        )
        parser.add_argument(
            "--connect", action="store_true", help="the endpoint for events of connected accounts, which is another one"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Register with each account, and print a summary."""
        done: list[Registration] = []
        failed: list[str] = []
        try:
            url = options["url"] or webhook_url()
            accounts = list(accounts_to_register(options["variant"]))
        except (GatewayError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        except NoReverseMatch:
            raise CommandError(
                'The app\'s URLs are not included. Add path("api/v1/", include("django_stripe_gateway.urls")) to your '
                "ROOT_URLCONF, or give --url."
            ) from None
        if not accounts:
            raise CommandError("PAYMENT_VARIANTS has no Stripe variant.")
        for account in accounts:
            try:
                registration = register_endpoint(
                    account=account,
                    url=url,
                    description=options["description"],
                    replace=options["replace"],
                    dry_run=options["dry_run"],
                    connect=options["connect"],
                )
            except GatewayError as error:
                failed.append(f"{account.variant}: {sentence_of(error)}")
                continue
            done.append(registration)
            for line in notes(registration, is_dry_run=options["dry_run"]):
                self.stdout.write(f"{account.variant}: {line}")
        if thin := thin_event_types():
            self.stdout.write(
                f"Not registered, because Stripe sends thin events to event destinations only: {', '.join(thin)}. Add "
                "one in Stripe's Dashboard under Webhooks, with the same address."
            )
        if patterns := handled_patterns():
            self.stdout.write(
                f"Not registered, because wildcards name no event type: {', '.join(patterns)}. Such handlers see what "
                "Stripe sends for others; to be sent more, let one name the types as well."
            )
        if done:
            self.stdout.write(as_table(HEADER, [row(registration) for registration in done]))
        if options["dry_run"]:
            self.stdout.write("Nothing was changed (--dry-run).")
        if failed:
            raise CommandError("\n".join(failed))


def row(registration: Registration) -> tuple[object, ...]:
    """Return the summary's row of one account."""
    return (
        registration.variant,
        "localstripe" if registration.is_localstripe else registration.endpoint_id or "(new)",
        registration.action,
        registration.event_count,
        registration.api_version or "-",
        registration.url,
    )


def notes(registration: Registration, *, is_dry_run: bool) -> list[str]:
    """Return what to know about one account, and what to do next."""
    if registration.is_localstripe:
        return ["localstripe forgets this when it ends; run the command again then."]
    lines = []
    if registration.action == "updated":
        for sign, names in (("+", registration.added), ("-", registration.removed)):
            lines += [f"{sign} {name}" for name in names]
    if registration.secret and not is_dry_run:
        lines.append(
            f"the signing secret of {registration.endpoint_id}, shown only now:\n"
            f"    {registration.secret}\n"
            f"Put it into {_place_of_secret(registration)}. While an older endpoint "
            "still delivers, keep its secret there too, separated by a comma."
        )
    elif registration.endpoint_id:
        lines.append(
            f"Stripe's Dashboard shows the signing secret of {registration.endpoint_id} under "
            f"Webhooks, if {_place_of_secret(registration)} does not hold it yet."
        )
    if registration.action == "replacing":
        lines.append(
            f"{', '.join(registration.older)} still delivers, too; each event is handled once. "
            "When the new secret is deployed, run the command with --replace again: it disables the older endpoint."
        )
    elif registration.older:
        lines.append(
            f"{', '.join(registration.older)} delivers to the same address; each event is "
            "handled once. --replace disables it."
        )
    if registration.has_other_version:
        lines.append(
            f"Stripe does not change the API version of an endpoint. It sends "
            f"{registration.api_version or 'the default version of the account'}, which is understood; --replace makes "
            f"a new endpoint with {registration.wanted_api_version} beside it."
        )
    lines += [f"disabled {name}." for name in registration.disabled]
    return lines


def _place_of_secret(registration: Registration) -> str:
    if registration.is_connect:
        return f"the option connect_endpoint_secret of the variant {registration.variant}"
    return "STRIPE_GATEWAY_WEBHOOK_SECRET (or the variant's endpoint_secret)"
