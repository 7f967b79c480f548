"""When periods begin and end, by the calendar.

Source: docs.stripe.com/billing/subscriptions/billing-cycle. All times are in seconds since 1970, and in UTC.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.values import Obj

SECONDS: Final = {"day": DAY_SECONDS, "week": 7 * DAY_SECONDS}
MONTHS: Final = {"month": 1, "year": 12}
CONFIG_BOUNDS: Final = {
    "day_of_month": (1, 31), "hour": (0, 23), "minute": (0, 59), "month": (1, 12), "second": (0, 59),
}  # fmt: skip
MONTH_SECONDS_MAX: Final = 31 * DAY_SECONDS


def add(anchor: int, recurring: Obj, count: int, *, day: int | None = None) -> int:
    """Return the anchor moved by so many intervals; before it for a negative count.

    A month too short for the anchor's day, or for the `day` asked for in its place, ends it on its last day, and the
    next one is on the day again: 31 January, 28 February, 31 March.
    """
    steps = count * int(recurring.get("interval_count") or 1)
    name: str = recurring["interval"]
    if name in SECONDS:
        return anchor + steps * SECONDS[name]
    start = datetime.fromtimestamp(anchor, UTC)
    months = start.year * 12 + start.month - 1 + steps * MONTHS[name]
    year, month = months // 12, months % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return int(start.replace(year=year, month=month, day=min(day or start.day, last)).timestamp())


def period_at(anchor: int, recurring: Obj, time: int, *, day: int | None = None) -> tuple[int, int]:
    """Return the start and the end of the period that a time is in; a time on the border is in the later one."""
    length = _shortest_seconds(recurring)
    count = (time - anchor) // length  # at or after the one sought, since no interval is shorter
    if time < anchor:
        count -= 1
    while count > 0 and add(anchor, recurring, count, day=day) > time:
        count -= max(1, (add(anchor, recurring, count, day=day) - time) // _longest_seconds(recurring))
    while add(anchor, recurring, count, day=day) > time:
        count -= 1
    while add(anchor, recurring, count + 1, day=day) <= time:
        count += 1
    return add(anchor, recurring, count, day=day), add(anchor, recurring, count + 1, day=day)


def check_config(config: Obj, at: str) -> None:
    """Raise `StripeError` 400 for a `billing_cycle_anchor_config` of no calendar; `at` is its bracketed name."""
    for name, (least, most) in CONFIG_BOUNDS.items():
        value = config.get(name)
        if value is not None and not least <= value <= most:
            raise invalid(
                f"Invalid {name}: must be between {least} and {most}.", f"{at}[{name}]", "parameter_invalid_integer"
            )


def next_match(config: Obj, time: int) -> int:
    """Return the first time after `time` that a `billing_cycle_anchor_config` names."""
    now = datetime.fromtimestamp(time, UTC)
    hour, minute, second = (
        own if config.get(name) is None else int(config[name])
        for name, own in (("hour", now.hour), ("minute", now.minute), ("second", now.second))
    )
    months = now.year * 12 + now.month - 1
    for ahead in range(25):
        year, month = (months + ahead) // 12, (months + ahead) % 12 + 1
        if config.get("month") not in {None, month}:
            continue
        day = min(config["day_of_month"], calendar.monthrange(year, month)[1])
        found = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
        if found > time:
            return found
    raise AssertionError("two years have every day and month")


def is_same_interval(one: Obj, other: Obj) -> bool:
    """Say whether two prices recur as often."""
    return (one["interval"], one["interval_count"]) == (other["interval"], other["interval_count"])


def say_date(time: int) -> str:
    """Return a day as Stripe's descriptions write it: 5 Jan 2027."""
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment.day} {calendar.month_abbr[moment.month]} {moment.year}"


def _shortest_seconds(recurring: Obj) -> int:
    name: str = recurring["interval"]
    each = SECONDS[name] if name in SECONDS else MONTHS[name] * 28 * DAY_SECONDS
    return each * int(recurring.get("interval_count") or 1)


def _longest_seconds(recurring: Obj) -> int:
    name: str = recurring["interval"]
    each = SECONDS[name] if name in SECONDS else MONTHS[name] * MONTH_SECONDS_MAX
    return each * int(recurring.get("interval_count") or 1)
