"""Lengths of time in seconds."""

from __future__ import annotations

from typing import Final

HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 24 * HOUR_SECONDS
# The furthest that the clock is turned at a time: ten years, leap years among them.
TURN_SECONDS_MAX: Final = 10 * 366 * DAY_SECONDS
# How long what waits for a payment is kept before it expires: a first invoice, a pending update.
PAYMENT_WAIT_SECONDS: Final = 23 * HOUR_SECONDS
