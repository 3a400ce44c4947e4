"""System checks: what is missing or wrong in a host's set-up, each with the line that puts it right.

``manage.py check --tag django_stripe_gateway`` runs them alone. They never raise, and never show a key or a secret.

===== ======= ======== ====================================================================================
id    level   when     what
===== ======= ======== ====================================================================================
E001  Error   always   ``PAYMENT_VARIANTS`` is malformed or empty
E002  Error   always   a variant has no API key
E003  Error   always   a variant has no webhook signing secret
E004  Error   always   an API key is no secret key (publishable, a webhook secret, spaces in it)
E005  Error   always   a live key would be sent to localstripe
E006  Error   always   a variant has an unknown flow
E007  Error   always   a provider or gateway named in ``PAYMENT_VARIANTS`` cannot be imported
E008  Error   always   an option of a variant has the wrong type
E009  Error   always   a provider that extends this app's one lacks the option ``gateway``
E010  Error   always   ``PAYMENT_MODEL`` is malformed, not installed or no ``AbstractPayment``
E011  Error   always   an app that this one or its authentication needs is not installed
E012  Error   always   the URLs are not included
E013  Error   always   a ``STRIPE_GATEWAY_*`` setting has the wrong type or is out of range
E014  Error   always   a dotted path in a setting cannot be imported, or names the wrong kind of thing
E015  Error   always   the models are routed to several databases
E016  Error   always   ``PAYMENT_HOST`` is no host name
E017  Error   always   the primary key of ``PAYMENT_MODEL`` is no whole number
E018  Error   always   webhook events are left to workers, but cannot be enqueued
E019  Error   always   an organisation's key, and nothing says for which account
E020  Error   database the database has no transactions
E021  Error   database the database cannot lock rows
E022  Error   database transactions do not see what was committed while they waited for a lock
E023  Error   database Stripe has named another account for a key than the settings do
E024  Error   always   a variant's name is a seller's account's, or too long to stand before one
E025  Error   always   ``direct_charges`` on an account that cannot have sellers
E030  Error   deploy   localstripe with ``DEBUG = False``
E031  Error   deploy   a dummy API key with ``DEBUG = False``
E032  Error   deploy   the key would be sent over plain http
E033  Error   deploy   guests pay, and nothing says how many proxies stand in front: they choose how they are counted
E060  Error   always   a PayPal variant has no credentials
E061  Error   always   a PayPal variant has no webhook id
E062  Error   always   PayPal webhooks cannot be verified: ``cryptography`` is not installed
E063  Error   always   the file of trusted authorities does not exist
E064  Error   deploy   PayPal credentials would be sent over plain http
E070  Error   always   ``STRIPE_GATEWAY_BILLING_VARIANT`` is no variant that bills subscriptions
E080  Error   always   e-mails are on, but Babel is not installed
E081  Error   always   e-mails are left to workers, but cannot be enqueued
W001  Warning always   a ``STRIPE_GATEWAY_*`` setting that does not exist
W002  Warning always   an option of a variant that does not exist
W003  Warning always   a webhook secret of Stripe's does not begin with ``whsec_``
W004  Warning always   a variant uses django-payments' own Stripe provider
W005  Warning always   a template override stands in an app that comes too late
W006  Warning always   webhook events are left to workers, but the tasks backend has none
W007  Warning always   actions of a team's are open to every member, and not named
W008  Warning always   payments are taken on sellers' accounts, whose events do not come
W020  Warning database an active gateway names a variant that cannot be called
W021  Warning database the database cannot store every character
W022  Warning database a plan that is paid for lacks a metric of the default plan
W023  Warning database the use that a metered price counts is not reported
W030  Warning always   neither ``PAYMENT_HOST`` nor the sites framework
W031  Warning deploy   customers are sent back over plain http
W032  Warning deploy   a test key with ``DEBUG = False``
W033  Warning deploy   each request connects to PostgreSQL anew
W034  Warning deploy   SQLite without ``IMMEDIATE`` transactions
W035  Warning deploy   PayPal's sandbox with ``DEBUG = False``
W036  Warning deploy   clients of the API choose what they pay
W037  Warning deploy   a setting opens what is the seller's, or anybody else's
W038  Warning deploy   requests have hardly a limit, or each process counts them for itself
W039  Warning deploy   callers choose the address by which they are counted
W040  Warning always   ``PAYMENT_MODEL`` has lost the constraint that refunds stay within captures
W080  Warning deploy   e-mails come from Django's default address
===== ======= ======== ====================================================================================

Those of ``database`` run in ``check --database default`` and ``migrate``, those of ``deploy`` in ``check --deploy``.
"""

from __future__ import annotations

from django.core.checks import Tags, register

from django_stripe_gateway.checks.catalogue import check_catalogue
from django_stripe_gateway.checks.databases import (
    check_account_ids,
    check_database,
    check_gateway_rows,
    check_routing,
)
from django_stripe_gateway.checks.deployment import (
    check_deployment,
    check_deployment_databases,
    check_deployment_prices,
)
from django_stripe_gateway.checks.mails import check_mail_sender, check_mails
from django_stripe_gateway.checks.money import check_money_constraint
from django_stripe_gateway.checks.openness import check_open_settings, check_proxies, check_throttles
from django_stripe_gateway.checks.permissions import check_team_permissions
from django_stripe_gateway.checks.project import (
    check_apps,
    check_payment_host,
    check_payment_model,
    check_template_order,
    check_urls,
)
from django_stripe_gateway.checks.providers import check_providers, check_providers_deployment
from django_stripe_gateway.checks.settings import check_setting_names, check_setting_values
from django_stripe_gateway.checks.variants import check_billing_variant, check_variants
from django_stripe_gateway.checks.workers import check_workers

TAG = "django_stripe_gateway"

for _check in (
    check_apps,
    check_billing_variant,
    check_money_constraint,
    check_mails,
    check_payment_host,
    check_payment_model,
    check_providers,
    check_routing,
    check_setting_names,
    check_setting_values,
    check_team_permissions,
    check_template_order,
    check_urls,
    check_variants,
    check_workers,
):
    register(_check, TAG)
for _check in (check_account_ids, check_catalogue, check_database, check_gateway_rows):
    register(_check, TAG, Tags.database)
for _check in (
    check_deployment,
    check_deployment_databases,
    check_deployment_prices,
    check_mail_sender,
    check_open_settings,
    check_providers_deployment,
    check_proxies,
    check_throttles,
):
    register(_check, TAG, deploy=True)

__all__ = ["TAG"]
