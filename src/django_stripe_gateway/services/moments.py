"""When what is written now has happened: perhaps long ago, where events were lost or nobody has asked for long.

What knows it best says so: an event of what it tells, a provider's object of itself. E-mails ask, since what is old is
no news.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import InvoiceRefund, Refund

_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


@contextmanager
def happened_at(moment: datetime | None) -> Iterator[None]:
    """Let what is written inside have happened at a moment; at ``None``, when is not known, or just now."""
    token = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(token)


def told_moment() -> datetime | None:
    """Return when what is written now has happened, ``None`` if nobody has said so."""
    return _moment.get()


def moment_of_refund(refund: Refund | InvoiceRefund, snapshot: RefundSnapshot) -> datetime | None:
    """Return when a refund has become what its provider says now; ``refund`` is as it was before."""
    if refund.provider_id and refund.is_under_way:
        # It was known to be asked for; that a bank has made it is newer.
        return told_moment()
    return snapshot.created or told_moment()
