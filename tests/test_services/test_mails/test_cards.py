"""Cards that expire: known by what passes by, told of once, and only where somebody is charged on them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.models import Customer, KnownCard, MailMessage, Subscription
from django_stripe_gateway.services.mails.cards import announce_expiring_cards, last_day
from tests.billing_factories import make_customer, make_subscription
from tests.factories import make_event, make_user
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import deliver, in_threads

pytestmark = pytest.mark.django_db(transaction=True)

SOON = timezone.localdate() + timedelta(days=20)


@pytest.fixture
def customer() -> Customer:
    """Return a customer who is charged on a card by default."""
    owner = make_user(email="ada@example.com")
    return make_customer(owner, default_payment_method="pm_1", livemode=False)


def card(customer: Customer, **fields: Any) -> KnownCard:
    values = {"provider_id": "pm_1", "brand": "visa", "last4": "4242", "expires": SOON} | fields
    return KnownCard.objects.create(customer=customer, variant="stripe", **values)


def announced() -> int:
    return sum(1 for _card in announce_expiring_cards())


def test_told_once(customer: Customer) -> None:
    make_subscription(customer)
    card(customer)
    assert (announced(), announced()) == (1, 0)
    (message,) = mail.outbox
    assert message.subject == "Your card expires soon"
    assert "Card: Visa •••• 4242" in message.body
    assert f"{SOON.month:02d}/{SOON.year}" in message.body
    # Replaced by the bank, and expiring again.
    KnownCard.objects.update(expires=SOON + timedelta(days=1))
    assert announced() == 1


@pytest.mark.parametrize("is_own", [True, False])
def test_another_card_was_chosen_before_it_was_sent(customer: Customer, settings: Any, is_own: bool) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "command"
    make_subscription(customer, default_payment_method="pm_1" if is_own else "")
    card(customer)
    assert announced() == 1
    rows = Subscription.objects if is_own else Customer.objects
    rows.update(default_payment_method="pm_2")
    call_command("send_mails")
    assert mail.outbox == []
    assert MailMessage.objects.get().error == "nothing is charged on it"


@pytest.mark.usefixtures("german")
def test_told_in_german(customer: Customer) -> None:
    make_subscription(customer)
    card(customer)
    announced()
    assert '<html lang="de"' in mail.outbox[0].alternatives[0][0]


@pytest.mark.parametrize(
    ("subscription", "fields"),
    [
        (None, {}),
        ({"default_payment_method": "pm_other"}, {}),
        ({"cancel_at_period_end": True}, {}),
        ({"collection_method": "send_invoice"}, {}),
        ({"status": "canceled"}, {}),
        ({}, {"expires": SOON + timedelta(days=60)}),
        ({}, {"expires": SOON - timedelta(days=60)}),
        ({}, {"expires": None}),
    ],
)
def test_not_told(customer: Customer, subscription: dict[str, Any] | None, fields: dict[str, Any]) -> None:
    if subscription is not None:
        make_subscription(customer, **{"default_payment_method": "", **subscription})
    KnownCard.objects.create(customer=customer, variant="stripe", provider_id="pm_other")
    card(customer, **fields)
    assert announced() == 0


def test_charged_on_it_by_a_subscription_of_its_own(customer: Customer) -> None:
    Customer.objects.update(default_payment_method="pm_other")
    make_subscription(customer, default_payment_method="pm_1")
    card(customer)
    assert announced() == 1


def test_two_sweepers__tell_once(customer: Customer) -> None:
    make_subscription(customer)
    card(customer)
    found = in_threads([announced] * 4, 4)
    assert sum(found) == 1
    assert len(mail.outbox) == 1


def test_known_by_events(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_visa")
    host.deliver_new()
    known = {row.provider_id: row for row in KnownCard.objects.all()}
    assert known
    assert all(row.last4 and row.expires and row.expires > timezone.localdate() for row in known.values())


def test_known_by_a_look(host: SubscriptionHost, settings: Any, capsys: Any) -> None:
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_visa")
    host.deliver_new()
    KnownCard.objects.all().delete()
    call_command("send_mails", cards=True)
    assert "cards that expire soon  0" in capsys.readouterr().out
    row = Subscription.objects.select_related("customer").get()
    charged = row.default_payment_method or row.customer.default_payment_method
    assert KnownCard.objects.get().provider_id == charged
    host.fake.forget_requests()
    call_command("send_mails", cards=True)
    assert host.fake.requests == []


def method_event(owned_by: Customer, kind: str = "payment_method.updated", **fields: Any) -> dict[str, Any]:
    details = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    obj = {"id": "pm_1", "object": "payment_method", "type": "card", "customer": owned_by.provider_id, "card": details}
    return make_event(kind, {**obj, **fields})


def test_events__the_newest_counts(customer: Customer) -> None:
    newer = method_event(customer, created=1_790_000_100) | {"created": 1_790_000_100}
    card = {"brand": "visa", "last4": "1111", "exp_month": 1, "exp_year": 2027}
    older = method_event(customer, card=card) | {"created": 1_790_000_000}
    deliver(newer)
    deliver(older)
    assert KnownCard.objects.get().expires == date(2030, 12, 31)
    deliver(method_event(customer, "payment_method.detached", customer=None))
    assert not KnownCard.objects.exists()


@pytest.mark.parametrize(
    "fields", [{"type": None}, {"card": {"exp_month": "x", "exp_year": 1}}, {"customer": "cus_unknown"}, {"id": 5}]
)
def test_events__of_any_shape(customer: Customer, fields: dict[str, Any]) -> None:
    assert deliver(method_event(customer, **fields)).status_code == 200
    assert KnownCard.objects.exclude(expires=None).count() == 0


def test_nothing_is_kept__where_nobody_is_told(customer: Customer, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAILS = ["paid"]
    deliver(method_event(customer))
    assert not KnownCard.objects.exists()


def test_signal__without_mails(customer: Customer, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAILS = False
    heard: list[Any] = []

    def hear(sender: Any, **values: Any) -> None:
        heard.append((values["expires"], values["customer"], [row.pk for row in values["subscriptions"]]))

    signals.card_expiring.connect(hear)
    try:
        deliver(method_event(customer))
        KnownCard.objects.update(expires=SOON)
        subscription = make_subscription(customer)
        assert announced() == 1
    finally:
        signals.card_expiring.disconnect(hear)
    assert heard == [(SOON, customer, [subscription.pk])]
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("month", "year", "expected"),
    [(2, 2028, date(2028, 2, 29)), (12, 2026, date(2026, 12, 31)), (13, 2026, None), (None, None, None), (1, 0, None)],
)
def test_last_day(month: int | None, year: int | None, expected: date | None) -> None:
    assert last_day(month, year) == expected
