"""How long a delivery waits between its tries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tollhouse.clock import SECOND
from tollhouse.events import retries
from tollhouse.events.deliveries import Delivery
from tollhouse.events.retries import MAIL_RETRY_SECONDS, RETRY_SECONDS


def test_the_pauses_add_up_to_seventy_five_hours_and_a_mails_to_its_lifetime() -> None:
    assert len(RETRY_SECONDS) == 9
    assert 74.5 < sum(RETRY_SECONDS) / 3600 < 75.5
    assert sum(MAIL_RETRY_SECONDS) > 600
    assert MAIL_RETRY_SECONDS[0] <= 2
    assert max(MAIL_RETRY_SECONDS) <= 30


@pytest.mark.parametrize(("subscriber", "pauses"), [("app", RETRY_SECONDS), ("mail", MAIL_RETRY_SECONDS)])
def test_pauses_are_longer_by_up_to_a_fifth(subscriber: str, pauses: tuple[int, ...]) -> None:
    delivery = Delivery("dlv_1", subscriber, None, None, None, None, 1, None, 0)
    for n, seconds in enumerate(pauses, 1):
        drawn = [retries.pause_us(replace(delivery, attempts=n)) / SECOND / seconds for _ in range(200)]
        assert 1 <= min(drawn) < 1.1, "never shorter"
        assert 1.1 < max(drawn) <= 1.2
