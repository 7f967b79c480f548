"""The alarm over a Stripe that tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.billing.shop import bought, hold_webhooks_back
from tests.identity.rows import run_sql
from tollhouse.billing.freshness import EVERY_SECONDS, Freshness
from tollhouse.telemetry import metrics
from tollhouse.testing import SignedInClient, TestKit

LATE_SECONDS = 11 * 60


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


async def endpoint(kit: TestKit, **changes: str) -> None:
    async with kit.stripe.client() as client:
        (found,) = (await client.get("/v1/webhook_endpoints")).json()["data"]
        if changes:
            (await client.post(f"/v1/webhook_endpoints/{found['id']}", data=changes)).raise_for_status()
        else:
            (await client.delete(f"/v1/webhook_endpoints/{found['id']}")).raise_for_status()


async def checked(kit: TestKit) -> Freshness:
    freshness = Freshness(kit.toll.till)
    await freshness.check()
    return freshness


async def test_all_is_well_where_events_come(kit: TestKit, alice: SignedInClient):
    assert (await checked(kit)).note is None
    await bought(kit, alice)
    await bought(kit, alice, "pro-monthly")
    kit.stripe.advance(LATE_SECONDS)
    assert (await checked(kit)).note is None
    assert metrics.stripe_endpoint_down._value.get() == metrics.stripe_events_late._value.get() == 0


@pytest.mark.parametrize("price", ["pack-100", "pro-monthly"])
async def test_what_nobody_told_of_within_ten_minutes_raises_the_alarm(
    kit: TestKit, alice: SignedInClient, price: str, logged: list[Any]
):
    await hold_webhooks_back(kit)
    kit.stripe.advance(120)
    await bought(kit, alice, price)
    assert (await checked(kit)).note is None
    kit.stripe.advance(LATE_SECONDS)
    freshness = await checked(kit)
    assert freshness.note is not None
    assert "no event came" in freshness.note
    (alarm,) = [line for line in logged if line["event"] == "stripe_events_missing"]
    assert alarm["log_level"] == "error"
    assert LATE_SECONDS <= alarm["late_seconds"] < LATE_SECONDS + 60
    assert metrics.stripe_events_late._value.get() >= LATE_SECONDS


async def test_what_happened_before_the_endpoint_was_made_is_not_missed(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await bought(kit, alice)
    kit.stripe.advance(LATE_SECONDS)
    await endpoint(kit)
    async with kit.stripe.client() as client:
        fields = {"url": kit.toll.settings.url + "/stripe/webhook", "enabled_events[0]": "*"}
        (await client.post("/v1/webhook_endpoints", data=fields)).raise_for_status()
    assert (await checked(kit)).note is None


async def test_an_endpoint_that_stripe_has_disabled_raises_the_alarm(kit: TestKit, logged: list[Any]):
    await endpoint(kit, disabled="true")
    freshness = await checked(kit)
    assert freshness.note is not None
    assert "disabled" in freshness.note
    assert "stripe_endpoint_disabled" in [line["event"] for line in logged if line["log_level"] == "error"]
    assert metrics.stripe_endpoint_down._value.get() == 1


async def test_an_endpoint_that_is_not_there_is_told(kit: TestKit, logged: list[Any]):
    await endpoint(kit)
    freshness = await checked(kit)
    assert freshness.note is not None
    assert "stripe setup" in freshness.note
    assert "stripe_endpoint_missing" in [line["event"] for line in logged]


async def test_a_note_is_forgotten_when_another_replica_checks(kit: TestKit):
    await endpoint(kit, disabled="true")
    freshness = await checked(kit)
    kit.stripe.advance(2 * EVERY_SECONDS)
    assert freshness.note is None


async def test_events_of_long_ago_prove_nothing(kit: TestKit, alice: SignedInClient):
    kit.stripe.advance(120)
    await bought(kit, alice)
    await run_sql(kit, "UPDATE tollhouse_stripe_events SET received_at = 1")
    kit.stripe.advance(LATE_SECONDS)
    assert (await checked(kit)).note is not None
