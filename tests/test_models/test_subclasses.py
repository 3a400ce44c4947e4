"""A host's own payment model is refused when it has replaced a field that the services need."""

from __future__ import annotations

from django.db import models
from django.test.utils import isolate_apps

from django_stripe_gateway.models import AbstractPayment, Payment


def test_check__of_our_own_model() -> None:
    assert Payment.check(databases=None) == []


@isolate_apps("django.contrib.contenttypes", "django.contrib.auth", "django_stripe_gateway")
def test_check__a_foreign_key_that_hides_order_id() -> None:
    class Order(models.Model):
        class Meta:
            app_label = "django_stripe_gateway"

    class OrderPayment(AbstractPayment):
        order = models.ForeignKey(Order, on_delete=models.PROTECT)

        class Meta(AbstractPayment.Meta):
            app_label = "django_stripe_gateway"

    (error,) = [found for found in OrderPayment.check(databases=None) if found.id == "django_stripe_gateway.E040"]
    assert "order_id" in error.msg
    assert "'order'" in str(error.hint)


@isolate_apps("django.contrib.contenttypes", "django.contrib.auth", "django_stripe_gateway")
def test_check__a_removed_field() -> None:
    class BarePayment(AbstractPayment):
        metadata = None

        class Meta(AbstractPayment.Meta):
            app_label = "django_stripe_gateway"

    messages = [found.msg for found in BarePayment.check(databases=None) if found.id == "django_stripe_gateway.E040"]
    assert messages == ["BarePayment has lost the field metadata of AbstractPayment."]
