"""The gateway that a fresh installation takes payments through."""

from django.db import migrations


def add_default_gateway(apps, schema_editor):
    gateways = apps.get_model("django_stripe_gateway", "PaymentGatewayConfig").objects.using(
        schema_editor.connection.alias
    )
    if not gateways.exists():
        gateways.create(
            name="Stripe", variant="stripe", description="Cards and wallets", is_active=True, is_default=True
        )


class Migration(migrations.Migration):
    dependencies = [("django_stripe_gateway", "0001_initial")]

    # The row stays when the migration is reversed: a host may have changed it, and the table goes with the first one.
    operations = [migrations.RunPython(add_default_gateway, migrations.RunPython.noop)]
