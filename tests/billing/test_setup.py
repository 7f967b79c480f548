"""The webhook endpoint and the account, as Stripe has them after a set-up and at a start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.billing.stripe_rig import account, opened_till
from tollhouse.billing import opening, setup, stripe_account
from tollhouse.billing.stripe_account import API_VERSION, StripeAccount
from tollhouse.errors import SettingsError
from tollhouse.testing import Sandbox

URL = "https://toll.example.com/stripe/webhook"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
def stripe(sandbox: Sandbox) -> StripeAccount:
    return account(sandbox)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_account, "BACKOFF_SECONDS", 0.01)


async def make(stripe: StripeAccount, **fields: Any) -> str:
    given = {"url": URL, "enabled_events": ["*"], "api_version": API_VERSION}
    return (await stripe.post(setup.PATH, given | fields, idempotency_key=str(fields)))["id"]


async def test_the_endpoint_is_made_once_with_its_events_and_its_version(stripe: StripeAccount) -> None:
    made = await setup.set_up(stripe, URL)
    assert (made.action, made.others) == ("created", ())
    assert (made.secret or "").startswith("whsec_")
    again = await setup.set_up(stripe, URL)
    assert (again.id, again.action, again.secret) == (made.id, "unchanged", None)
    (raw,) = await setup.find_endpoints(stripe, URL)
    assert (raw["api_version"], tuple(raw["enabled_events"])) == (API_VERSION, setup.EVENT_TYPES)


@pytest.mark.parametrize(
    "fields", [{"enabled_events": ["invoice.paid"]}, {"enabled_events": ["*"]}, {"disabled": True}]
)
async def test_what_was_changed_by_hand_is_set_right(stripe: StripeAccount, fields: dict[str, Any]) -> None:
    made = await setup.set_up(stripe, URL)
    await stripe.post(f"{setup.PATH}/{made.id}", fields, idempotency_key="by hand")
    assert (await setup.set_up(stripe, URL)).action == "updated"
    (raw,) = await setup.find_endpoints(stripe, URL)
    assert setup.endpoint_problems(raw) == []


@pytest.mark.parametrize("version", ["2024-06-20", None])
async def test_one_of_another_version_stays_until_it_is_disabled(stripe: StripeAccount, version: str | None) -> None:
    old = await make(stripe, api_version=version)
    new = await setup.set_up(stripe, URL)
    assert (new.action, new.others) == ("created", (old,))
    await setup.disable(stripe, old)
    assert (await setup.set_up(stripe, URL)).others == ()


async def test_endpoints_of_others_are_left_alone(stripe: StripeAccount) -> None:
    other = await make(stripe, url="https://other.example.com/stripe/webhook", enabled_events=["invoice.paid"])
    await setup.set_up(stripe, URL)
    assert (await stripe.get(f"{setup.PATH}/{other}"))["enabled_events"] == ["invoice.paid"]


def test_everything_wrong_with_an_endpoint_is_said() -> None:
    raw = {"status": "disabled", "api_version": None, "enabled_events": ["invoice.paid", "issuing_card.created"]}
    said = setup.endpoint_problems(raw)
    assert [text[:22] for text in said] == [
        "is disabled",
        "has API version of the",
        "is not told of checkou",
        "is told of events that",
    ]


async def test_a_key_of_another_account_does_not_start(sandbox: Sandbox, migrated_database_url: str) -> None:
    for _ in range(2):
        async with opened_till(sandbox, migrated_database_url):
            pass
    async with Sandbox(seed=2) as mallorys:
        with pytest.raises(SettingsError) as refused:
            async with opened_till(mallorys, migrated_database_url):
                pass
    assert "set that account's key" in refused.value.problems[0]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "restricted_key"), (404, "restricted_key"), (401, "invalid_request_error"), (503, None)],
)
async def test_an_account_that_cannot_be_told_keeps_nobody_from_starting(
    sandbox: Sandbox, migrated_database_url: str, status: int, reason: str | None
) -> None:
    sandbox.faults.add({"fault": "error", "status": status, "path": "/v1/account"})
    with capture_logs() as logs:
        async with opened_till(sandbox, migrated_database_url):
            pass
    said = [entry for entry in logs if entry["event"] == "stripe_account_unchecked"]
    assert [entry["reason"] for entry in said] == [reason or "stripe_unavailable"]


async def test_an_account_that_differs_is_found_out_when_stripe_can_be_asked_again(
    sandbox: Sandbox, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "CHECK_AFTER_SECONDS", 0)
    async with opened_till(sandbox, migrated_database_url):
        pass
    async with Sandbox(seed=2) as mallorys:
        rule = mallorys.faults.add({"fault": "error", "status": 503})
        async with opened_till(mallorys, migrated_database_url) as till:
            mallorys.faults.remove(rule["id"])
            with capture_logs() as logs:
                keeping = asyncio.create_task(opening.keep_till(till))
                while not logs:  # noqa: ASYNC110 (nothing tells when a line was logged)
                    await asyncio.sleep(0.01)
                keeping.cancel()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("stripe_account_differs", "error")]
