"""Columns for retries, leases and the object that an event's own object belongs to."""

from django.db import migrations, models
from django.utils import timezone


def retry_failed_events(apps, schema_editor):
    """Let the sweeper take up what had failed before there was one."""
    events = apps.get_model("django_stripe_gateway", "WebhookEvent").objects.using(schema_editor.connection.alias)
    events.filter(state__in=("received", "failed")).update(next_attempt=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ('django_stripe_gateway', '0003_subscriptions'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhookevent',
            name='leased_until',
            field=models.DateTimeField(blank=True, null=True, verbose_name='leased until'),
        ),
        migrations.AddField(
            model_name='webhookevent',
            name='next_attempt',
            field=models.DateTimeField(blank=True, null=True, verbose_name='next attempt'),
        ),
        migrations.AddField(
            model_name='webhookevent',
            name='related_id',
            field=models.CharField(blank=True, default='', max_length=255, verbose_name='related object'),
        ),
        migrations.AlterField(
            model_name='webhookevent',
            name='state',
            field=models.CharField(choices=[('received', 'Received'), ('processed', 'Processed'), ('ignored', 'Ignored: nobody handles its type'), ('unmatched', 'Unmatched: its object is unknown here'), ('mismatched', 'Mismatched: it contradicts the payment'), ('failed', 'Failed'), ('dead', 'Dead: given up after too many attempts')], default='received', max_length=16, verbose_name='state'),
        ),
        migrations.AddIndex(
            model_name='webhookevent',
            index=models.Index(fields=['related_id'], name='dsg_event_related'),
        ),
        migrations.AddIndex(
            model_name='webhookevent',
            index=models.Index(fields=['next_attempt'], name='dsg_event_next_attempt'),
        ),
        migrations.RunPython(retry_failed_events, migrations.RunPython.noop),
    ]
