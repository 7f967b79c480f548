"""The running product, an app that it tells, and commands beside them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.cli.conftest import Ran, Shell
from tests.endpoints.receiver import Arrival, Receiver
from tollhouse.testing import TestKit

Result = TypeVar("Result")

URL = "https://app.example.com/events"


@dataclass(frozen=True, slots=True)
class House:
    """The running product, the app, and commands beside them."""

    kit: TestKit
    app: Receiver
    shell: Shell

    async def run(self, *words: str) -> Ran:
        return await asyncio.to_thread(self.shell.run, *words)

    async def add(self, *more: str) -> str:
        """Have the app told; returns its secret."""
        ran = await self.run("endpoints", "add", "app", "--url", self.app.url, "--json", *more)
        assert ran.code == 0, ran.err
        await self.kit.toll.run.outbox.learn()
        return json.loads(ran.out)["secret"]


def use_house(shell: Shell, monkeypatch: pytest.MonkeyPatch, work: Callable[[House], Awaitable[Result]]) -> Result:
    """Run the product and the app for as long as `work(house)` takes; whatever is looked at, is looked at at once."""
    for name in ("endpoints.lanes.LEARN_SECONDS", "events.worker.POLL_SECONDS", "events.worker.LEARN_SECONDS"):
        monkeypatch.setattr(f"tollhouse.{name}", 0.02)

    async def go(kit: TestKit) -> Result:
        async with Receiver() as app:
            return await work(House(kit, app, shell))

    return shell.use(go)


def add_app(shell: Shell) -> str:
    """Add an endpoint that nothing is sent to; returns its secret."""
    return json.loads(shell.run("endpoints", "add", "app", "--url", URL, "--json").out)["secret"]


def is_signed(arrival: Arrival, secret: str) -> bool:
    """Whether a request is signed by this secret."""
    try:
        Webhook(secret).verify(arrival.body, arrival.headers)
    except WebhookVerificationError:
        return False
    return True
