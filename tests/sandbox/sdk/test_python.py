"""The official Python SDK, unmodified, over every operation; and its retries while connections break."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.sandbox.sdk.scenario import Sdk, ids, play
from tollhouse.sandbox import Sandbox
from tollhouse.testing import ServedSandbox, stripe_client


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """The operations that were asked for."""
    from tollhouse.sandbox.api import dispatch

    made: set[tuple[str, str]] = set()
    find = dispatch.registry.find_handler
    monkeypatch.setattr(dispatch.registry, "find_handler", lambda *names: (made.add(names), find(*names))[1])
    return made


@pytest.mark.slow
async def test_every_operation_answers_the_asynchronous_client(sandbox: Sandbox, calls: set[tuple[str, str]]) -> None:
    await play(Sdk(stripe_client(sandbox), is_async=True))
    described = {(each.method, each.path) for each in sandbox.world.description.operations}
    assert described - calls == set()


@pytest.mark.slow
async def test_every_operation_answers_the_synchronous_client(synchronous: Sdk) -> None:
    """With `--stripe=real` this is played against Stripe's own test mode, where it makes all it uses."""
    await play(synchronous)


@pytest.fixture
def synchronous(request: pytest.FixtureRequest) -> Iterator[Sdk]:
    if request.config.getoption("--stripe") == "real":
        key = os.environ.get("STRIPE_API_KEY", "")
        assert key.startswith(("sk_test_", "rk_test_")), "STRIPE_API_KEY must be a test key, never a live one"
        yield Sdk(stripe.StripeClient(key), is_async=False, patience_seconds=120)
        return
    with ServedSandbox(seed=1, check_replies=True) as served:
        client = stripe.StripeClient(served.api_key, base_addresses={"api": served.url})
        yield Sdk(client, is_async=False)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_retry_after_a_broken_connection_creates_one_object(when: str) -> None:
    with ServedSandbox(seed=1) as served:
        fault = {"fault": "reset", "when": when, "path": "/v1/customers", "method": "POST", "times": 2}
        served.control("/faults", fault)
        client = stripe.StripeClient(served.api_key, base_addresses={"api": served.url}, max_network_retries=3)
        made = client.v1.customers.create({"email": "alice@example.com"})
        assert ids(client.v1.customers.list()) == [made.id]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [{"fault": "error", "status": 503}, {"fault": "rate_limit", "per_second": 1}])
async def test_a_retry_after_an_error_creates_one_object(sandbox: Sandbox, when: str, fault: dict[str, Any]) -> None:
    sandbox.faults.add({**fault, "when": when, "path": "/v1/customers", "method": "POST", "times": 1})
    client = stripe_client(sandbox, max_network_retries=3)
    made = await client.v1.customers.create_async({"email": "alice@example.com"})
    assert ids(await client.v1.customers.list_async()) == [made.id]


async def test_without_a_retry_the_error_is_told_and_the_effect_is_there_or_not(sandbox: Sandbox) -> None:
    client = stripe_client(sandbox, max_network_retries=0)
    for when in ("before", "after"):
        sandbox.faults.add({"fault": "error", "status": 500, "when": when, "method": "POST", "times": 1})
        with pytest.raises(stripe.APIError):
            await client.v1.customers.create_async({"name": when})
    assert [each.name for each in (await client.v1.customers.list_async()).data] == ["after"]
