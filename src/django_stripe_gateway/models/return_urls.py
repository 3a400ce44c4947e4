"""The pages that a provider sends the customer's browser back to.

The browser arrives without API credentials, so the address carries a signature that only this project can make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin

from django.apps import apps
from django.contrib.sites.shortcuts import get_current_site
from django.core import signing
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.urls import reverse

from django_stripe_gateway.conf import gateway_settings, unset_payment_host

if TYPE_CHECKING:
    from django_stripe_gateway.models.payments import AbstractPayment
    from django_stripe_gateway.models.subscriptions import Subscription

PAYMENT_SALT = "django_stripe_gateway.return_url"
# Of its own: what the provider's page sends back opens no way to pay.
CONFIRMATION_SALT = "django_stripe_gateway.confirmation_url"
SUBSCRIPTION_SALT = "django_stripe_gateway.subscription_return_url"


def sign_payment_id(payment_pk: int | str, token: str = "") -> str:
    """Return the signature that opens the return pages of a payment.

    Args:
        token: the payment's: where tenants share this process and its secret, another one's payment has the same key.
    """
    return signing.Signer(salt=PAYMENT_SALT).signature(_signed(payment_pk, token))


def sign_subscription_id(subscription_pk: int | str, token: str = "") -> str:
    """Return the signature that opens the return page of a subscription; see ``sign_payment_id``."""
    return signing.Signer(salt=SUBSCRIPTION_SALT).signature(_signed(subscription_pk, token))


def is_valid_signature(pk: int | str, signature: str, *, salt: str = PAYMENT_SALT, token: str = "") -> bool:
    """Return whether ``signature`` was made for ``pk``; compares in constant time, honours key rotation.

    Args:
        salt: of what was signed: a payment's signature opens no subscription with the same key.
        token: of what was signed, where it has one.
    """
    signer, signed = signing.Signer(salt=salt), _signed(pk, token)
    try:
        return signer.unsign(f"{signed}{signer.sep}{signature}") == signed
    except signing.BadSignature:
        return False


def _signed(pk: int | str, token: str) -> str:
    return f"{pk}/{token}" if token else str(pk)


def default_base_url() -> str:
    """Return scheme and host for absolute URLs made outside of a request.

    Raises:
        ImproperlyConfigured: neither ``PAYMENT_HOST`` nor the sites framework names a host.
    """
    host = gateway_settings.payment_host or _site_domain()
    return f"{'https' if gateway_settings.payment_uses_ssl else 'http'}://{host}"


def _site_domain() -> str:
    if not apps.is_installed("django.contrib.sites"):
        unset_payment_host()
    try:
        return str(get_current_site(None).domain)
    except ObjectDoesNotExist as error:
        raise ImproperlyConfigured(
            'No Site has the id SITE_ID. Add one, or set PAYMENT_HOST = "shop.example.com".'
        ) from error


def return_url(payment: AbstractPayment, page: str, base_url: str = "") -> str:
    """Return the absolute, signed URL of one of a payment's return pages, "success" or "failure"."""
    path = reverse(f"django_stripe_gateway:payment-{page}", kwargs={"payment_id": payment.pk})
    query = urlencode({"signature": sign_payment_id(payment.pk, str(payment.token))})
    return urljoin(base_url or default_base_url(), f"{path}?{query}")


def confirmation_url(payment: AbstractPayment, base_url: str = "") -> str:
    """Return the absolute, signed URL of the page on which the customer confirms a payment."""
    path = reverse("django_stripe_gateway:payment-confirmation", kwargs={"payment_id": payment.pk})
    signed = _signed(payment.pk, str(payment.token))
    query = urlencode({"signature": signing.Signer(salt=CONFIRMATION_SALT).signature(signed)})
    return urljoin(base_url or default_base_url(), f"{path}?{query}")


def subscription_return_url(subscription: Subscription, result: str, base_url: str) -> str:
    """Return the absolute, signed URL that a subscription's Checkout sends the browser back to.

    Args:
        result: what it means that the browser comes back to it, "success" or "cancel".
    """
    signature = sign_subscription_id(subscription.pk, subscription.token)
    query = urlencode({"subscription": subscription.pk, "result": result, "signature": signature})
    return urljoin(base_url, f"{reverse('django_stripe_gateway:subscription-return')}?{query}")
