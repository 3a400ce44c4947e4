"""Walk through what a reader lists, and remember when each page was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from django.utils import timezone

from django_stripe_gateway.gateways.account_reading import Page, Unreadable

T = TypeVar("T")


def dated(pages: Iterator[Page[T]]) -> Iterator[tuple[datetime, T | Unreadable]]:
    """Yield the objects of all pages, each with the moment at which its page was asked for.

    By that moment it is judged whether what is known here is newer.
    """
    while True:
        began = timezone.now()
        page = next(pages, None)
        if page is None:
            return
        for item in page:
            yield began, item
