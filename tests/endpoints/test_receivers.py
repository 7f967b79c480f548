"""Apps in Node and in Python check what they get with the libraries of Standard Webhooks, and refuse what is wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.billing.shop import bought, open_shop
from tests.endpoints.receiver import SECRET
from tests.endpoints.receivers.apps import App, app_in_node, app_in_python
from tests.endpoints.rig import DAY, declare, emit, events_of, open_house, told, until
from tollhouse.clock import SECOND
from tollhouse.endpoints import rolling, secrets
from tollhouse.testing import TestKit

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

PEOPLE = 3
ROLLS = 3
EVERY_SECONDS = 0.03
OVERLAP_SECONDS = DAY
USERS = [f"usr_{n}" for n in range(8)]


@dataclass
class Apps:
    """One in each language, declared under its name."""

    node: App
    python: App

    @property
    def named(self) -> dict[str, App]:
        return {"node": self.node, "python": self.python}

    @property
    def declared(self) -> list[dict[str, object]]:
        return [declare(app.url, name=name) for name, app in self.named.items()]


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[Apps]:
    async with app_in_node(SECRET, tmp_path) as node, app_in_python(SECRET) as python:
        yield Apps(node, python)


async def test_sign_ins_and_payments_are_verified(apps: Apps, migrated_database_url: str):
    async with open_shop(migrated_database_url, endpoints=apps.declared) as shop:
        for number in range(PEOPLE):
            await bought(shop, await shop.sign_in(f"person{number}@example.com"))
        await shop.settle()
        kept = [
            {"id": row["id"], "type": row["type"], "user": row["user_id"], "sequence": row["sequence"]}
            for row in await events_of(shop)
        ]
    assert {"user.created", "user.signed_in", "checkout.completed", "payment.succeeded"} <= {
        row["type"] for row in kept
    }
    for app in apps.named.values():
        seen = await app.seen()
        assert seen["refused"] == []
        arrived = [{key: value for key, value in row.items() if key != "signatures"} for row in seen["verified"]]
        assert sorted(arrived, key=lambda row: row["id"]) == kept
        for user in {row["user"] for row in kept}:
            sequences = [row["sequence"] for row in arrived if row["user"] == user]
            assert sequences == sorted(sequences)


async def test_whatever_is_not_as_we_signed_it_is_refused(apps: Apps):
    body = b'{"id":"out_1","type":"credits.spent","sequence":1,"data":{"user_id":"usr_alice"}}'

    def signed(*by: str, at: datetime | None = None) -> dict[str, str]:
        moment = at or datetime.now(UTC)
        return {
            "webhook-id": "out_1",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(Webhook(secret).sign("out_1", moment, body.decode()) for secret in by),
        }

    other, long_ago = secrets.create_secret(), datetime.now(UTC) - timedelta(minutes=6)
    wrong = [
        (body.replace(b"alice", b"mallo"), signed(SECRET)),
        (body + b" ", signed(SECRET)),
        (body, signed(other)),
        (body, signed(SECRET) | {"webhook-id": "out_2"}),
        (body, signed(SECRET, at=long_ago)),
        (body, {}),
    ]
    for app in apps.named.values():
        assert [await app.post(*each) for each in wrong] == [400] * len(wrong)
        assert await app.post(body, signed(other, SECRET)) == 204
        seen = await app.seen()
        assert (len(seen["verified"]), len(seen["refused"])) == (1, len(wrong))


async def test_one_who_signs_by_another_secret_is_refused_and_the_delivery_waits(apps: Apps):
    mistaken = declare(apps.node.url, name="node") | {"secret": secrets.create_secret()}
    async with open_house(None, mistaken) as kit:
        await emit(kit, "usr_alice")
        await kit.settle()
        (row,) = await told(kit, "node")
    assert (row["status"], row["reason"]) == ("waiting", "It answered 400.")
    assert await apps.node.seen() == {"verified": [], "refused": ["No matching signature found"]}


async def roll(kit: TestKit, name: str) -> str:
    """Roll an endpoint's secret, and return the new one."""
    secret, _ = await rolling.roll(kit.toll.run, name, overlap_us=OVERLAP_SECONDS * SECOND)
    return secret


async def signed_by(app: App, count: int) -> None:
    """Return once the last that came of each user has so many signatures: nothing older of that user is under way."""

    async def holds() -> bool:
        last = {row["user"]: row["signatures"] for row in (await app.seen())["verified"]}
        return last.keys() == set(USERS) and set(last.values()) == {count}

    await until(holds)


@asynccontextmanager
async def load(kit: TestKit) -> AsyncIterator[None]:
    """Something happens to everybody all the time."""
    stop = asyncio.Event()

    async def go_on() -> None:
        while not stop.is_set():
            await emit(kit, *USERS)
            await asyncio.sleep(EVERY_SECONDS)

    going = asyncio.create_task(go_on())
    try:
        yield
    finally:
        stop.set()
        await going
    await kit.settle()


@pytest.mark.usefixtures("quick")
async def test_rolls_under_load_have_nothing_refused(apps: Apps):
    dice = random.Random(11)
    async with open_house(None, *apps.declared) as kit:
        async with load(kit):
            for _ in range(ROLLS):
                rolled = {name: await roll(kit, name) for name in apps.named}
                for name, app in apps.named.items():
                    await signed_by(app, 2)
                    await asyncio.sleep(dice.random() * 3 * EVERY_SECONDS)
                    await app.use(rolled[name])
                kit.clock.advance(OVERLAP_SECONDS + 1)
                for app in apps.named.values():
                    await signed_by(app, 1)
        total = len(await events_of(kit))
        for app in apps.named.values():
            seen = await app.seen()
            assert seen["refused"] == []
            # What was under way when the clock was turned past its lease may have come twice.
            assert len({row["id"] for row in seen["verified"]}) == total
        await apps.node.use(SECRET)  # who never changed is refused once the overlap is over
        await emit(kit, USERS[0])
        await kit.settle()
        assert (await apps.node.seen())["refused"] == ["No matching signature found"]
