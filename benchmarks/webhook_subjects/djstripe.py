"""dj-stripe's view, which asks Stripe for the event's object; the second argument is the address of the fake."""

from __future__ import annotations

import sys
import uuid

# The script's own name must not hide the package.
sys.path.append(sys.path.pop(0))

import django
import stripe
from django.conf import settings

from timing import SECRET, database, serve  # isort: skip

settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": database()},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY="sk_test_benchmarkbenchmarkbenchmark",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    DJSTRIPE_WEBHOOK_VALIDATION="verify_signature",
    # Its tables at once: its migrations take minutes on SQLite.
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "djstripe": None},
    DEBUG_PROPAGATE_EXCEPTIONS=True,
)
stripe.api_base = sys.argv[2]
stripe.api_key = "sk_test_benchmarkbenchmarkbenchmark"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]


def prepare(start: int, stop: int) -> list[str]:
    """It has no payments of its own."""
    return [f"token-{number}" for number in range(start, stop)]


if __name__ == "__main__":
    from djstripe.models import Account, APIKey, WebhookEndpoint

    call_command("migrate", run_syncdb=True, verbosity=0)
    account = Account.objects.create(id="acct_benchmark", livemode=False)
    APIKey.objects.create(
        id="key_benchmark",
        type="secret",
        secret="sk_test_benchmarkbenchmarkbenchmark",
        livemode=False,
        djstripe_owner_account=account,
    )
    endpoint = WebhookEndpoint.objects.create(
        id="we_benchmark",
        secret=SECRET,
        url="https://shop.test/",
        enabled_events=["*"],
        status="enabled",
        livemode=False,
        djstripe_uuid=uuid.uuid4(),
        djstripe_owner_account=account,
        djstripe_tolerance=300,
    )
    serve(f"/stripe/webhook/{endpoint.djstripe_uuid}/", prepare)
