"""What the shop sells. A real one would keep this in its database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Product:
    """One product, and how it is paid.

    Args:
        capture_method: "manual" reserves the money until somebody captures it.
        payment_method: a test card of Stripe's; only localstripe is paid with it.
    """

    slug: str
    name: str
    text: str
    price: Decimal
    currency: str = "USD"
    capture_method: str = "automatic"
    payment_method: str = ""
    badge: str = ""

    @property
    def action(self) -> str:
        """What the button says."""
        return "Reserve" if self.capture_method == "manual" else "Buy"

    @property
    def picture(self) -> str:
        """The template with its drawing."""
        return f"shop/pictures/{self.slug}.svg"


PRODUCTS = (
    Product("mug", "Enamel mug", "Holds coffee, tea and the odd screw. Paid at once.", Decimal("18.00")),
    Product("kettle", "Pour-over kettle", "Sold in yen, which has no cents.", Decimal(6800), currency="JPY"),
    Product(
        "cabin",
        "Weekend in the cabin",
        "Your card is only authorised. The money is taken when you arrive, or released.",
        Decimal("240.00"),
        currency="EUR",
        capture_method="manual",
        badge="Pay later",
    ),
)
DECLINED = Product(
    "declined",
    "The card that fails",
    "Pays with a test card that Stripe declines, to see what a customer sees then.",
    Decimal("5.00"),
    payment_method="pm_card_chargeCustomerFail",
    badge="Test",
)


def products() -> tuple[Product, ...]:
    """Return what is on sale: with localstripe, the customer types no card, so one that fails is offered."""
    return (*PRODUCTS, DECLINED) if settings.USE_LOCALSTRIPE else PRODUCTS


def find_product(slug: str) -> Product | None:
    """Return the product that is called ``slug``."""
    return next((product for product in products() if product.slug == slug), None)
