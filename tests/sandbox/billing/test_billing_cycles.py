"""Periods by the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tollhouse.sandbox.resources.billing import billing_cycles
from tollhouse.sandbox.resources.invoicing.invoice_lines import divide

MONTH = {"interval": "month", "interval_count": 1}


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def test_the_31st_is_kept_through_shorter_months() -> None:
    anchor = at(2027, 1, 31)
    ends = [billing_cycles.add(anchor, MONTH, count) for count in (1, 2, 3, -2)]
    assert ends == [at(2027, 2, 28), at(2027, 3, 31), at(2027, 4, 30), at(2026, 11, 30)]


def test_a_leap_day_recurs_on_the_last_of_february() -> None:
    year = {"interval": "year", "interval_count": 1}
    assert [billing_cycles.add(at(2028, 2, 29), year, count) for count in (1, 4)] == [at(2029, 2, 28), at(2032, 2, 29)]


def test_a_named_day_is_found_in_each_month() -> None:
    config = {"day_of_month": 31, "hour": 0, "minute": 0, "second": 0}
    assert billing_cycles.next_match(config, at(2027, 2, 1)) == at(2027, 2, 28)
    assert billing_cycles.next_match(config, at(2027, 2, 28)) == at(2027, 3, 31)
    assert billing_cycles.next_match({**config, "month": 6}, at(2027, 7, 1)) == at(2028, 6, 30)


@given(
    anchor=st.integers(0, 4_000_000_000),
    offset=st.integers(-400_000_000, 400_000_000),
    interval=st.sampled_from(["day", "week", "month", "year"]),
    count=st.integers(1, 36),
)
def test_every_time_is_in_the_period_found(anchor: int, offset: int, interval: str, count: int) -> None:
    recurring = {"interval": interval, "interval_count": count}
    time = max(0, anchor + offset)
    start, end = billing_cycles.period_at(anchor, recurring, time)
    assert start <= time < end
    assert billing_cycles.period_at(anchor, recurring, end)[0] == end


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**8))
def test_quotients_are_the_nearest_whole_numbers(numerator: int, denominator: int) -> None:
    quotient = divide(numerator, denominator)
    assert 2 * abs(numerator - quotient * denominator) <= denominator
    assert divide(-numerator, denominator) == -quotient
