"""The least that a webhook can do: check the signature, INSERT the event, UPDATE the payment, in one transaction."""

from __future__ import annotations

import json

import django
import stripe
from django.conf import settings
from timing import SECRET, database, serve

settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": database()},
    INSTALLED_APPS=[],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.db import connection, models, transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


class Payment(models.Model):
    """A payment."""

    token = models.CharField(max_length=36, unique=True)
    status = models.CharField(max_length=10, default="waiting")

    class Meta:
        app_label = "bare"


class Event(models.Model):
    """An event."""

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=128)
    body = models.TextField()

    class Meta:
        app_label = "bare"


@csrf_exempt
def webhook(request: HttpRequest) -> HttpResponse:
    """Confirm a payment."""
    body = request.body.decode()
    stripe.WebhookSignature.verify_header(body, request.headers["Stripe-Signature"], SECRET, 300)
    event = json.loads(body)
    with transaction.atomic():
        Event.objects.create(event_id=event["id"], type=event["type"], body=body)
        token = event["data"]["object"]["metadata"]["token"]
        changed = Payment.objects.filter(token=token).update(status="confirmed")
    return JsonResponse({"received": bool(changed)})


urlpatterns = [path("webhook/", webhook)]


def prepare(start: int, stop: int) -> list[str]:
    """Make payments."""
    tokens = [f"token-{number}" for number in range(start, stop)]
    Payment.objects.bulk_create(Payment(token=token) for token in tokens)
    return tokens


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(Payment)
        editor.create_model(Event)
    serve("/webhook/", prepare)
