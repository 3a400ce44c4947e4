"""Counters, the ledger, reservations, overrides and grants of usage, and what is told to meters."""

import django.db.models.deletion
import django.utils.timezone
import django_stripe_gateway.models.meter_events
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('django_stripe_gateway', '0005_catalogue_keys'),
        migrations.swappable_dependency(settings.STRIPE_GATEWAY_OWNER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='MeterEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.SlugField(db_index=False, max_length=64, verbose_name='metric')),
                ('event_name', models.CharField(max_length=100, verbose_name="meter's event name")),
                ('value', models.BigIntegerField(verbose_name='value')),
                ('identifier', models.CharField(default=django_stripe_gateway.models.meter_events.new_identifier, max_length=100, unique=True, verbose_name='identifier')),
                ('occurred', models.DateTimeField(verbose_name='occurred')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('sent', 'Sent'), ('refused', 'Refused'), ('unclear', 'Unclear')], default='pending', max_length=16, verbose_name='state')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('first_sent', models.DateTimeField(blank=True, null=True, verbose_name='first sent')),
                ('leased_until', models.DateTimeField(default=django.utils.timezone.now, verbose_name='leased until')),
                ('error', models.JSONField(blank=True, default=dict, verbose_name='error')),
                ('created', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created')),
                ('modified', models.DateTimeField(auto_now=True, verbose_name='modified')),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='meter_events', to='django_stripe_gateway.customer', verbose_name='customer')),
            ],
            options={
                'verbose_name': 'meter event',
                'verbose_name_plural': 'meter events',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='UsageCounter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.SlugField(db_index=False, max_length=64, verbose_name='metric')),
                ('period', models.CharField(choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('billing_period', 'Billing period'), ('lifetime', 'Never')], max_length=16, verbose_name='period')),
                ('period_key', models.CharField(max_length=64, verbose_name="period's key")),
                ('starts', models.DateTimeField(verbose_name='starts')),
                ('current_until', models.DateTimeField(verbose_name='current until')),
                ('used', models.PositiveBigIntegerField(default=0, verbose_name='used')),
                ('reserved', models.PositiveBigIntegerField(default=0, verbose_name='reserved')),
                ('extra', models.PositiveBigIntegerField(default=0, help_text='Taken out of grants, on top of the limit.', verbose_name='extra')),
                ('modified', models.DateTimeField(default=django.utils.timezone.now, verbose_name='modified')),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.STRIPE_GATEWAY_OWNER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'usage counter',
                'verbose_name_plural': 'usage counters',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='UsageGrant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.SlugField(db_index=False, max_length=64, verbose_name='metric')),
                ('quantity', models.PositiveBigIntegerField(verbose_name='quantity')),
                ('drawn', models.PositiveBigIntegerField(default=0, editable=False, verbose_name='drawn')),
                ('expires', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('note', models.CharField(blank=True, default='', max_length=255, verbose_name='note')),
                ('created', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.STRIPE_GATEWAY_OWNER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'usage grant',
                'verbose_name_plural': 'usage grants',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='UsageRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.SlugField(db_index=False, max_length=64, verbose_name='metric')),
                ('kind', models.CharField(choices=[('consume', 'Used'), ('commit', 'Used after a reservation'), ('refund', 'Given back')], max_length=16, verbose_name='kind')),
                ('quantity', models.BigIntegerField(verbose_name='quantity')),
                ('key', models.CharField(blank=True, editable=False, max_length=64, null=True)),
                ('period_key', models.CharField(max_length=64, verbose_name="period's key")),
                ('day', models.DateField(verbose_name='day')),
                ('created', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created')),
                ('awaits_meter', models.BooleanField(default=False, editable=False, verbose_name='waits for the meter')),
                ('meter_event', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='records', to='django_stripe_gateway.meterevent')),
                ('owner', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.STRIPE_GATEWAY_OWNER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'usage record',
                'verbose_name_plural': 'usage records',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='UsageReservation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('metric', models.SlugField(db_index=False, max_length=64, verbose_name='metric')),
                ('quantity', models.PositiveBigIntegerField(verbose_name='quantity')),
                ('used', models.PositiveBigIntegerField(default=0, verbose_name='used')),
                ('state', models.CharField(choices=[('held', 'Held'), ('committed', 'Used'), ('released', 'Released'), ('expired', 'Expired')], default='held', max_length=16, verbose_name='state')),
                ('key', models.CharField(blank=True, editable=False, max_length=64, null=True)),
                ('expires', models.DateTimeField(verbose_name='expires')),
                ('created', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created')),
                ('modified', models.DateTimeField(default=django.utils.timezone.now, verbose_name='modified')),
                ('counter', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='reservations', to='django_stripe_gateway.usagecounter')),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.STRIPE_GATEWAY_OWNER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'usage reservation',
                'verbose_name_plural': 'usage reservations',
                'ordering': ('-created',),
            },
        ),
        migrations.CreateModel(
            name='LimitOverride',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('metric', models.SlugField(db_index=False, max_length=64, verbose_name='metric')),
                ('limit', models.PositiveBigIntegerField(blank=True, help_text='Empty for no limit.', null=True, verbose_name='limit')),
                ('period', models.CharField(blank=True, choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('billing_period', 'Billing period'), ('lifetime', 'Never')], default='', help_text="Empty for the plan's.", max_length=16, verbose_name='period')),
                ('expires', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('note', models.CharField(blank=True, default='', max_length=255, verbose_name='note')),
                ('created', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('modified', models.DateTimeField(auto_now=True, verbose_name='modified')),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.STRIPE_GATEWAY_OWNER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'limit override',
                'verbose_name_plural': 'limit overrides',
                'ordering': ('-id',),
                'constraints': [models.UniqueConstraint(fields=('owner', 'metric'), name='dsg_override_metric_once')],
            },
        ),
        migrations.AddIndex(
            model_name='meterevent',
            index=models.Index(fields=['state', 'leased_until'], name='dsg_meter_event_lease'),
        ),
        migrations.AddIndex(
            model_name='meterevent',
            index=models.Index(fields=['customer', 'metric', 'occurred'], name='dsg_meter_event_customer'),
        ),
        migrations.AddIndex(
            model_name='usagecounter',
            index=models.Index(fields=['owner', 'current_until'], name='dsg_counter_current'),
        ),
        migrations.AddConstraint(
            model_name='usagecounter',
            constraint=models.UniqueConstraint(fields=('owner', 'metric', 'period_key'), name='dsg_counter_period_once'),
        ),
        migrations.AddIndex(
            model_name='usagegrant',
            index=models.Index(fields=['owner', 'expires'], name='dsg_grant_owner'),
        ),
        migrations.AddConstraint(
            model_name='usagegrant',
            constraint=models.CheckConstraint(condition=models.Q(('drawn__lte', models.F('quantity'))), name='dsg_grant_drawn'),
        ),
        migrations.AddIndex(
            model_name='usagerecord',
            index=models.Index(fields=['owner', 'metric', 'day'], name='dsg_usage_day'),
        ),
        migrations.AddIndex(
            model_name='usagerecord',
            index=models.Index(fields=['awaits_meter', 'id'], name='dsg_usage_meter'),
        ),
        migrations.AddConstraint(
            model_name='usagerecord',
            constraint=models.UniqueConstraint(fields=('owner', 'key'), name='dsg_usage_key_once'),
        ),
        migrations.AddIndex(
            model_name='usagereservation',
            index=models.Index(fields=['counter', 'state', 'expires'], name='dsg_reservation_held'),
        ),
        migrations.AddConstraint(
            model_name='usagereservation',
            constraint=models.UniqueConstraint(fields=('owner', 'key'), name='dsg_reservation_key_once'),
        ),
    ]
