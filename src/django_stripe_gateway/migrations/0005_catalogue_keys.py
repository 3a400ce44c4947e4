"""The lease and the key of a push of a plan to the provider."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('django_stripe_gateway', '0004_webhook_retries'),
    ]

    operations = [
        migrations.AddField(
            model_name='plan',
            name='push_key',
            field=models.CharField(blank=True, default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='plan',
            name='push_leased_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
