"""The database that payments are kept in, and the gateways' rows in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router
from django.db.models import Model

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.providers import owner_of
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.checks.variants import readable_variants
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import (
    PaymentGatewayConfig,
    PaymentLog,
    PaymentOperation,
    ProviderAccount,
    Refund,
    UnexpectedPayment,
    WebhookEvent,
    get_payment_model,
)
from django_stripe_gateway.models.provider_accounts import current_account

# Levels at which a transaction that has waited for a payment's lock sees what the one before it has written.
SEEING_WHAT_IS_COMMITTED = frozenset({"READ-COMMITTED", "SERIALIZABLE"})

# What follows where texts cannot be stored as they are.
REPLACED = (
    "Of what customers and providers write a question mark is kept for each that it cannot, and sent to the provider; "
    "an order_id and metadata with one are refused."
)


def check_routing(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that the router keeps a payment and what belongs to it where one transaction can hold them."""
    aliases = {router.db_for_write(model) for model in _money_models()}
    if len(aliases) <= 1:
        return []
    message = f"The models are written to several databases: {', '.join(sorted(aliases))}."
    hint = "Let DATABASE_ROUTERS send the payment model and the app django_stripe_gateway to the same database."
    return [error("015", message, hint)]


def check_database(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check what the payments' database can do."""
    alias = payments_alias()
    if alias not in (databases or ()):
        return []
    connection = connections[alias]
    found: list[CheckMessage] = []
    try:
        if connection.vendor == "mysql":
            found.extend(_check_mysql(connection))
        if connection.vendor == "postgresql":
            found.extend(_check_postgres(connection))
        # SQLite has one lock for the whole database instead.
        if not connection.features.has_select_for_update and connection.vendor != "sqlite":
            message = f"The database {alias!r} cannot lock rows (SELECT ... FOR UPDATE)."
            found.append(error("021", message, "Use PostgreSQL, MariaDB, MySQL or SQLite."))
    except Error:
        # A database that does not answer is for the command itself to report.
        return found
    return found


def check_gateway_rows(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn about active gateways that no payment could be made through."""
    alias = router.db_for_read(PaymentGatewayConfig)
    if alias not in (databases or ()):
        return []
    callable_names = {
        name
        for name, (path, options) in readable_variants().items()
        if owner_of(path, options) is not None or options.get("gateway")
    }
    rows = PaymentGatewayConfig.objects.using(alias).filter(is_active=True).values_list("name", "variant")
    found = []
    try:
        for name, variant in rows:
            if variant not in callable_names:
                message = f"The active payment gateway {name!r} has the variant {variant!r}, which cannot be called."
                hint = f"Add {variant!r} to PAYMENT_VARIANTS, or correct or deactivate the gateway in the admin."
                found.append(warning("020", message, hint))
    except Error:
        # The table comes with the first migration.
        return []
    return found


def check_account_ids(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that no variant is said to be another account than the provider has named for its key; nobody is asked."""
    # Of what is made of wrong settings nobody knows what it stands for.
    if wrong_settings() or router.db_for_read(ProviderAccount) not in (databases or ()):
        return []
    found = []
    for variant in readable_variants():
        try:
            account = current_account(variant)
        except (Error, GatewayError):
            # The table comes with the first migration.
            continue
        if account is not None and account.named_id:
            message = f"The key of the variant {variant!r} is of {account.named_id}, not of {account.account_id}."
            hint = (
                "Correct STRIPE_GATEWAY_ACCOUNT_ID or the variant's account_id, or the key; until then nothing is sold."
            )
            found.append(error("023", message, hint))
    return found


def payments_alias() -> str:
    """Return the alias of the database that payments are written to."""
    return router.db_for_write(_money_models()[0])


def _money_models() -> list[type[Model]]:
    belonging: list[type[Model]] = [PaymentLog, PaymentOperation, Refund, UnexpectedPayment, WebhookEvent]
    try:
        return [get_payment_model(), *belonging]
    except (ImproperlyConfigured, LookupError, TypeError):
        return belonging


def _check_postgres(connection: Any) -> list[CheckMessage]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
    if encoding == "UTF8":
        return []
    message = f"The database {connection.alias!r} is in {encoding}, which cannot store every character. {REPLACED}"
    hint = "Make a database with ENCODING 'UTF8' TEMPLATE template0, and load a dump of this one into it."
    return [warning("021", message, hint)]


def _check_mysql(connection: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not connection.features.supports_transactions:
        message = f"The database {connection.alias!r} keeps new tables in MyISAM, which has no transactions."
        hint = 'Add "init_command": "SET default_storage_engine=INNODB" to its OPTIONS, and convert the tables.'
        found.append(error("020", message, hint))
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database")
        charset = cursor.fetchone()[0]
        # Older MariaDB and MySQL know the one name only, newer MySQL the other.
        cursor.execute("SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')")
        isolation = {str(value).upper() for _name, value in cursor.fetchall()}
    if not isolation <= SEEING_WHAT_IS_COMMITTED:
        level = ", ".join(sorted(isolation - SEEING_WHAT_IS_COMMITTED)).replace("-", " ")
        message = f"Transactions on the database {connection.alias!r} are {level}: they miss refunds made meanwhile."
        found.append(error("022", message, 'Add "isolation_level": "read committed" to its OPTIONS.'))
    if charset != "utf8mb4":
        message = f"The database {connection.alias!r} is in {charset}, which cannot store every character. {REPLACED}"
        hint = f"Run ALTER DATABASE `{connection.settings_dict['NAME']}` CHARACTER SET utf8mb4; and convert the tables."
        found.append(warning("021", message, hint))
    return found
