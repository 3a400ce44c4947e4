"""Periods at midnight, at the ends of months, and across daylight saving."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.models import UsageCounter, UsageRecord
from django_stripe_gateway.services.usage.periods import BillingPeriod, rule_of, time_zone_of, window_of
from tests.test_docs.blocks import DOCS
from tests.test_docs.tables import codes, rows, sections
from tests.test_services.test_usage.support import at, make_default_plan, subscribe

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Africa/Cairo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Asia/Tokyo",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moments(first: int, last: int) -> st.SearchStrategy[datetime]:
    """Return moments between the beginnings of two years."""
    return st.datetimes(
        *(datetime.fromisoformat(f"{year}-01-01T00:00:00") for year in (first, last)), timezones=st.just(UTC)
    )


def window(period: str, now: str, zone: str = "UTC", billing: BillingPeriod | None = None) -> tuple[str, datetime, Any]:
    found = window_of(period, utc(now), ZoneInfo(zone), billing)
    return found.key, found.starts, found.ends


@pytest.mark.parametrize(
    ("period", "now", "key", "ends"),
    [
        ("day", "2026-11-23T00:00:00", "day:2026-11-23", "2026-11-24T00:00:00"),
        ("day", "2026-11-23T23:59:59.999999", "day:2026-11-23", "2026-11-24T00:00:00"),
        ("week", "2026-11-22T23:59:59", "week:2026-11-16", "2026-11-23T00:00:00"),
        ("week", "2026-11-23T00:00:00", "week:2026-11-23", "2026-11-30T00:00:00"),
        ("month", "2026-01-31T23:59:59", "month:2026-01-01", "2026-02-01T00:00:00"),
        ("month", "2028-02-29T12:00:00", "month:2028-02-01", "2028-03-01T00:00:00"),
        ("month", "2026-12-31T23:59:59", "month:2026-12-01", "2027-01-01T00:00:00"),
        ("billing_period", "2026-12-31T23:59:59", "month:2026-12-01", "2027-01-01T00:00:00"),
    ],
)
def test_window(period: str, now: str, key: str, ends: str) -> None:
    found_key, _starts, found_ends = window(period, now)
    assert (found_key, found_ends) == (key, utc(ends))


@pytest.mark.parametrize("period", LimitPeriod)
def test_rule__of_every_kind(period: LimitPeriod) -> None:
    now, days = utc("2026-11-25T12:00:00"), timedelta(days=9)
    found = window_of(period, now, UTC, BillingPeriod(now - days, now + days))
    assert found.starts <= now < found.current_until
    assert found.ends is None or now < found.ends <= found.current_until
    assert rule_of(period).days > 0


def test_rule__a_counter_is_of_one_kind() -> None:
    now = utc("2026-11-25T12:00:00")
    keys = [window_of(period, now, UTC, BillingPeriod(now, now + timedelta(days=9))).key for period in LimitPeriod]
    assert len({key.partition(":")[0] for key in keys}) == len(LimitPeriod)


def test_rule__of_no_kind() -> None:
    with pytest.raises(ValueError, match="fortnight"):
        window("fortnight", "2026-11-23T00:00:00")


def test_rule__every_kind_is_documented() -> None:
    table = rows(sections(DOCS / "howto" / "limit-usage.md")["Say what a plan allows"], "`period`")
    assert [codes(row[0])[0] for row in table] == LimitPeriod.values


@pytest.mark.parametrize("page", ["howto/catalogue.md", "reference/http-api.md"])
def test_rule__every_kind_is_listed(page: str) -> None:
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    listed = [codes(line) for line in lines if line.startswith("| `period` |") and "`lifetime`" in line]
    assert listed
    for names in listed:
        assert list(dict.fromkeys(names))[1:] == LimitPeriod.values


def test_window__lifetime() -> None:
    assert window("lifetime", "2026-11-23T00:00:00")[::2] == ("lifetime", None)


@pytest.mark.parametrize(
    ("now", "zone", "day", "starts", "hours"),
    [
        # Clocks go forward at 2, back at 3.
        ("2026-03-29T12:00:00", "Europe/Berlin", 29, "2026-03-28T23:00:00", 23),
        ("2026-10-25T12:00:00", "Europe/Berlin", 25, "2026-10-24T22:00:00", 25),
        # Forward at midnight, which does not exist: the day begins at 1 o'clock, which is the same moment.
        ("2026-04-24T12:00:00", "Africa/Cairo", 24, "2026-04-23T22:00:00", 23),
        # Back at 1 o'clock, so that midnight comes twice: the day begins with the first.
        ("2026-11-01T12:00:00", "America/Havana", 1, "2026-11-01T04:00:00", 25),
        # By half an hour.
        ("2026-04-05T04:00:00", "Australia/Lord_Howe", 5, "2026-04-04T13:00:00", 24.5),
    ],
)
def test_window__day_of_the_change(now: str, zone: str, day: int, starts: str, hours: float) -> None:
    key, found_starts, ends = window("day", now, zone)
    assert key.endswith(f"-{day:02}")
    assert found_starts == utc(starts)
    assert ends - found_starts == timedelta(hours=hours)


@given(
    now=moments(2020, 2035),
    zone=st.sampled_from(ZONES),
    period=st.sampled_from(["day", "week", "month"]),
)
def test_window__follow_each_other(now: datetime, zone: str, period: str) -> None:
    found = window_of(period, now, ZoneInfo(zone), None)
    assert found.ends is not None
    assert found.starts <= now < found.ends == found.current_until
    after = window_of(period, found.ends, ZoneInfo(zone), None)
    before = window_of(period, found.starts - timedelta(microseconds=1), ZoneInfo(zone), None)
    assert after.starts == found.ends
    assert before.ends == found.starts
    assert len({before.key, found.key, after.key}) == 3


@given(
    starts=moments(2024, 2028),
    length=st.integers(0, 400),
    later=st.integers(0, 1000 * 24 * 3600),
)
def test_window__billing(starts: datetime, length: int, later: int) -> None:
    billing = BillingPeriod(starts, starts + timedelta(days=length))
    now = starts + timedelta(seconds=later)
    found = window_of("billing_period", now, UTC, billing)
    assert found.ends is not None
    if length:
        assert found.starts <= now < found.ends < found.current_until
        assert (found.starts - starts) % timedelta(days=length) == timedelta()


def test_time_zone__keys_do_not_multiply(settings: Any) -> None:
    now = utc("2026-11-23T12:00:00")
    keys = {window_of("day", now, ZoneInfo(zone), None).key for zone in ("Pacific/Kiritimati", "Pacific/Niue", *ZONES)}
    assert len(keys) <= 3


class OwnersZones(Adapter):
    def time_zone(self, owner: Any) -> Any:
        return owner.first_name or None


@pytest.fixture
def _owners_zones(settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.OwnersZones"


@pytest.mark.django_db
@pytest.mark.usefixtures("_owners_zones")
def test_time_zone__of_the_owner_or_the_site(user: Any, settings: Any, caplog: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    assert time_zone_of(user) == ZoneInfo("Asia/Tokyo")
    user.first_name = "America/New_York"
    assert time_zone_of(user) == ZoneInfo("America/New_York")
    # What the request has activated is somebody else's business.
    with timezone.override("Europe/Berlin"):
        assert time_zone_of(user) == ZoneInfo("America/New_York")
    for nonsense in ("Nowhere/Land", "../../etc/passwd", "\0"):
        user.first_name = nonsense
        assert time_zone_of(user) == ZoneInfo("Asia/Tokyo")
    assert "unknown time zone" in caplog.text


@pytest.mark.django_db
@pytest.mark.usefixtures("_owners_zones")
def test_midnight__of_the_owner(user: Any, other_user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    user.first_name = "America/New_York"
    for owner in (user, other_user):
        with at("2026-11-23T20:00:00+00:00"):
            usage.consume(owner, "minutes", 5)
    with at("2026-11-24T04:59:59+00:00"):
        usage.consume(other_user, "minutes", 5)
        with pytest.raises(exceptions.UsageLimitExceeded) as caught:
            usage.consume(user, "minutes")
        assert caught.value.retry_after == 1
    with at("2026-11-24T05:00:00+00:00"):
        usage.consume(user, "minutes", 5)
    days = UsageRecord.objects.for_owner(user).order_by("pk").values_list("day", flat=True)
    assert list(days) == [date(2026, 11, 23), date(2026, 11, 24)]


@pytest.mark.django_db
@pytest.mark.usefixtures("_owners_zones")
def test_daylight_saving__each_local_day_has_its_limit_once(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    user.first_name = "Europe/Berlin"
    moment, passed = utc("2026-10-23T22:00:00"), 0
    while moment < utc("2026-10-26T23:00:00"):
        with at(moment):
            if usage.check(user, "minutes", 5):
                usage.consume(user, "minutes", 5)
                passed += 1
        moment += timedelta(minutes=30)
    # 24th to 26th: three local days, 73 hours.
    assert passed == 3
    assert UsageCounter.objects.count() == 3


@pytest.mark.django_db
def test_month_end(user: Any) -> None:
    make_default_plan(("minutes", 5, "month"))
    for moment in ("2026-01-31T23:59:59+00:00", "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"):
        with at(moment):
            usage.consume(user, "minutes", 5)
            assert not usage.check(user, "minutes")


@pytest.mark.django_db
def test_billing_period__is_the_subscriptions(user: Any) -> None:
    start, end = utc("2026-11-10T08:30:00"), utc("2026-12-10T08:30:00")
    subscription = subscribe(user, ("minutes", 5, "billing_period"), current_period_start=start, current_period_end=end)
    with at("2026-12-10T08:29:59+00:00"):
        usage.consume(user, "minutes", 5)
        assert usage.allowance(user, "minutes").resets_at == end
        assert not usage.check(user, "minutes")
    # Before Stripe has said that it was renewed, and after.
    with at("2026-12-10T08:30:00+00:00"):
        usage.consume(user, "minutes", 4)
    subscription.current_period_start, subscription.current_period_end = end, utc("2027-01-10T08:30:00")
    subscription.save()
    with at("2027-01-10T08:29:59+00:00"):
        allowance = usage.allowance(user, "minutes")
        assert (allowance.used, allowance.resets_at) == (4, utc("2027-01-10T08:30:00"))


@pytest.mark.django_db(transaction=True)
def test_naive_times__of_a_host(user: Any, settings: Any) -> None:
    use_tz = settings.USE_TZ
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    try:
        make_default_plan(("minutes", 5, "day"), ("megabytes", 5, "billing_period"))
        usage.consume(user, "minutes", 3)
        usage.commit(usage.reserve(user, "minutes", 2))
        with pytest.raises(exceptions.UsageLimitExceeded) as caught:
            usage.consume(user, "minutes")
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= 25 * 3600
        end = datetime.now() + timedelta(days=3)  # noqa: DTZ005 (as such a host writes it)
        subscribe(user, ("megabytes", 5, "billing_period"), current_period_end=end)
        usage.consume(user, "megabytes", 2)
        allowance = usage.allowance(user, "megabytes")
        assert (allowance.used, allowance.resets_at) == (2, end)
    finally:
        settings.USE_TZ = use_tz
