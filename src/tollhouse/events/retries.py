"""When a delivery is tried again, and when it is over."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tollhouse.clock import SECOND
from tollhouse.errors import TollhouseError
from tollhouse.events.outcomes import Expired, GiveUp, Skip, storable
from tollhouse.events.tables import DELIVERED, EXPIRED, FAILED, SKIPPED, WAITING

if TYPE_CHECKING:
    from tollhouse.events.deliveries import Delivery

RETRY_SECONDS: Final = (5, 30, 120, 600, 1_800, 7_200, 21_600, 86_400, 152_000)  # 10 tries over 75 hours
MAIL_RETRY_SECONDS: Final = (2, 5, 10, 20) + (30,) * 160  # until the link in it expires, an hour at most
JITTER: Final = 0.2  # only ever longer: an app that was away for three days must not miss the last try


def judge(delivery: Delivery, outcome: TollhouseError | None, now_us: int) -> tuple[str, str | None]:
    """Return the status that an outcome leads to, and the reason that an operator reads."""
    if outcome is None:
        return DELIVERED, None
    reason = storable(outcome.detail)
    if isinstance(outcome, Expired):
        return EXPIRED, reason
    if isinstance(outcome, Skip):
        return SKIPPED, reason
    if isinstance(outcome, GiveUp) or delivery.attempts > len(schedule(delivery)):
        return FAILED, reason
    if delivery.expires_at is not None and delivery.expires_at <= now_us:
        return EXPIRED, reason
    return WAITING, reason


def check_attempts(delivery: Delivery) -> None:
    """Raise `GiveUp` for a delivery claimed more often than it is ever tried: each time its process died running it."""
    if delivery.attempts > len(schedule(delivery)) + 1:
        raise GiveUp("Every process that ran it ended before it could write down how it went.")


def schedule(delivery: Delivery) -> Sequence[int]:
    """Return the pauses between tries, in seconds."""
    return MAIL_RETRY_SECONDS if delivery.subscriber == "mail" else RETRY_SECONDS


def pause_us(delivery: Delivery) -> int:
    """Return how long to wait after this try, with jitter so that a recovered server is not hit by all at once."""
    seconds = schedule(delivery)[delivery.attempts - 1]
    return round(seconds * SECOND * random.uniform(1, 1 + JITTER))  # noqa: S311 (jitter, not a secret)
