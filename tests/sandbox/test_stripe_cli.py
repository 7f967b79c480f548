"""The unmodified Stripe CLI: every one of its triggers, `listen --forward-to`, `events resend`, `fixtures`.

What it forwards goes to an app that keeps it, and to a running Tollhouse.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import stripe
from sqlalchemy import select

from tests.db.rows import open_database
from tests.hostile.gate import environment_for
from tests.sandbox.cli_triggers import FAILING, OTHER_NAMES, PASSING
from tests.sandbox.stripe_cli import KEY, StripeCli
from tests.support.processes import spawn
from tollhouse.billing.setup import EVENT_TYPES, WEBHOOK_PATH
from tollhouse.billing.tables import payments, stripe_events
from tollhouse.db import Statement
from tollhouse.db.migrations import migrate
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.serving import serving

AT_ONCE = 4
ARRIVAL_SECONDS_MAX = 15
DAYS = 10 * 24 * 3600
DEVICE = ("--device-name", "till")

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class App:
    """Takes webhooks on a port of the loopback."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    async def gets(self, fits: Any) -> None:
        """Return once the events it got fit."""
        async with asyncio.timeout(ARRIVAL_SECONDS_MAX):
            while not fits(self.events):
                self.news.clear()
                await self.news.wait()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}
        self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        self.news.set()


@dataclass
class Stage:
    """A sandbox on a port, the CLI, and an app that a listening CLI forwards to."""

    sandbox: Sandbox
    cli: StripeCli
    app: App
    folder: Path
    secret: str = ""


@asynccontextmanager
async def app_on_a_port() -> AsyncIterator[App]:
    app = App()
    server = await asyncio.start_server(app.answer, "127.0.0.1", 0)
    async with server:
        app.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("stripe-cli")
    sandbox = Sandbox(seed=1, check_replies=True)
    async with serving(sandbox) as url, app_on_a_port() as app:
        cli = StripeCli(url, folder)
        _, secret = await cli.run("listen", "--print-secret")
        async with cli.listen("--all-snapshot", "--forward-to", app.url) as lines:
            reading = asyncio.create_task(exhaust(lines))
            yield Stage(sandbox, cli, app, folder, secret.strip())
        await reading


async def exhaust(lines: AsyncIterator[str]) -> None:
    """Read on, or the CLI would stop at a full pipe."""
    async for _ in lines:
        pass


@dataclass
class Till:
    """A running Tollhouse that the CLI forwards to: its database, and the CLI's line for each of its replies."""

    database_url: str
    replies: list[str] = field(default_factory=list[str])

    @property
    def answered(self) -> dict[str, str]:
        """The status that it gave to each event."""
        found = (re.search(r"<--\s+\[(\d+|ERROR)\].*\[(evt_\w+)\]", line) for line in self.replies)
        return {match[2]: match[1] for match in found if match}

    async def hear(self, lines: AsyncIterator[str]) -> None:
        async for line in lines:
            self.replies.append(line)

    async def inbox(self) -> dict[str, str]:
        """What came of each event."""
        db = await open_database(self.database_url)
        rows = await db.fetch_all(Statement(select(stripe_events.c.id, stripe_events.c.status), lambda *row: row))
        assert await db.fetch_all(Statement(select(payments.c.id), str)) == []
        await db.close()
        return dict(rows)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def till(stage: Stage) -> AsyncIterator[Till]:
    folder = stage.folder / "till"
    folder.mkdir()
    till = Till(f"sqlite:///{folder}/tollhouse.db")
    await migrate(till.database_url)
    _, secret = await stage.cli.run("listen", "--print-secret", *DEVICE)
    environment = environment_for(
        till.database_url,
        smtp_port=9,
        stripe_api_key=KEY,
        stripe_api_base=stage.sandbox.url,
        stripe_webhook_secrets=secret.strip(),
    )
    with spawn(["serve", "--port", "{port}"], environment, folder=folder) as process:
        target = (await process.answers()).url + WEBHOOK_PATH
        async with stage.cli.listen("--all-snapshot", *DEVICE, "--forward-to", target) as lines:
            hearing = asyncio.create_task(till.hear(lines))
            yield till
        await hearing


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def failed(stage: Stage, till: Till) -> dict[str, str]:
    """Every trigger has run and all it set going has happened; what those said that failed, by name."""
    said: dict[str, str] = {}
    turn = asyncio.Semaphore(AT_ONCE)

    async def trigger(name: str) -> None:
        async with turn:
            code, text = await stage.cli.run("trigger", name)
        if code != 0:
            said[name] = text

    await asyncio.gather(*map(trigger, (*PASSING, *FAILING)))
    stage.sandbox.advance(DAYS)  # bank debits settle in days
    happened = {event["type"] for event in stage.sandbox.world.every("event")}
    silent = {name for name in PASSING + tuple(FAILING) if OTHER_NAMES.get(name, name) not in happened}
    return dict.fromkeys(silent, "No such event came of it.") | said


async def test_the_triggers_of_the_table_are_all_there_are(stage: Stage) -> None:
    _, said = await stage.cli.run("trigger", "--help")
    listed = said.partition("Supported events:")[2].partition("Usage:")[0].split()
    assert set(listed) == {*PASSING, *FAILING}


async def test_the_triggers_that_pass_are_those_of_the_table(stage: Stage, failed: dict[str, str]) -> None:
    assert {name: failed[name] for name in PASSING if name in failed} == {}
    assert failed.keys() == FAILING.keys()


async def test_the_events_they_are_named_after_reach_the_app(stage: Stage, failed: dict[str, str]) -> None:
    wanted = {OTHER_NAMES.get(name, name) for name in PASSING}
    await stage.app.gets(lambda events: wanted <= {event["type"] for event in events})


async def test_a_till_takes_all_of_them_and_none_for_its_own(stage: Stage, till: Till, failed: dict[str, str]) -> None:
    happened = {event["id"]: event["type"] for event in stage.sandbox.world.every("event")}
    async with asyncio.timeout(ARRIVAL_SECONDS_MAX):
        while not happened.keys() <= till.answered.keys():  # noqa: ASYNC110 (what is awaited is the CLI's doing)
            await asyncio.sleep(0.05)
    assert set(till.answered.values()) == {"200"}
    statuses = await till.inbox()
    assert happened.keys() <= statuses.keys()
    odd = {happened[id]: status for id, status in statuses.items() if id in happened and status != "ignored"}
    assert set(odd.values()) <= {"processed", "accepted"}
    assert odd.keys() <= set(EVENT_TYPES)


async def test_every_webhook_is_signed_with_the_secret_that_listen_prints(stage: Stage, failed: dict[str, str]) -> None:
    for headers, body in stage.app.got:
        stripe.Webhook.construct_event(body, headers["stripe-signature"], stage.secret)
    headers, body = stage.app.got[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", headers["stripe-signature"], stage.secret)


async def tell(stage: Stage) -> str:
    """Make an event and return its id once the app has it."""
    async with stage.sandbox.client() as api:
        await api.post("/v1/customers")
        id: str = (await api.get("/v1/events", params={"type": "customer.created"})).json()["data"][0]["id"]
    await stage.app.gets(lambda events: has(events, id))
    return id


def has(events: list[dict[str, Any]], id: str, *, times: int = 1) -> bool:
    return [event["id"] for event in events].count(id) == times


async def test_resend_sends_an_event_again(stage: Stage) -> None:
    id = await tell(stage)
    code, said = await stage.cli.run("events", "resend", id)
    assert (code, id in said) == (0, True)
    await stage.app.gets(lambda events: has(events, id, times=2))


async def test_resend_to_an_endpoint_tells_nobody_else(stage: Stage) -> None:
    id = await tell(stage)
    async with stage.sandbox.client() as api, app_on_a_port() as other:
        data = {"url": other.url, "enabled_events[]": "invoice.paid"}
        endpoint = (await api.post("/v1/webhook_endpoints", data=data)).json()
        code, _ = await stage.cli.run("events", "resend", id, "--webhook-endpoint", endpoint["id"])
        assert code == 0
        await other.gets(lambda events: has(events, id))
        await tell(stage)
        assert has(stage.app.events, id)
        await api.delete(f"/v1/webhook_endpoints/{endpoint['id']}")


async def test_fixtures_run_from_a_file(stage: Stage) -> None:
    steps = [
        {"name": "product", "path": "/v1/products", "method": "post", "params": {"name": "Fixture"}},
        {
            "name": "price", "path": "/v1/prices", "method": "post",
            "params": {"product": "${product:id}", "unit_amount": 700, "currency": "usd"},
        },
    ]  # fmt: skip
    path = stage.folder / "fixture.json"
    path.write_text(json.dumps({"_meta": {"template_version": 0}, "fixtures": steps}))
    code, said = await stage.cli.run("fixtures", str(path))
    assert code == 0, said
    async with stage.sandbox.client() as api:
        product = (await api.get("/v1/products")).json()["data"][0]
        price = (await api.get("/v1/prices")).json()["data"][0]
    assert (product["name"], price["product"], price["unit_amount"]) == ("Fixture", product["id"], 700)


async def test_listening_for_the_latest_version_works_too(stage: Stage) -> None:
    async with stage.cli.listen("--events", "customer.created", "--latest", "--device-name", "other") as lines:
        await stage.cli.run("trigger", "product.created")
        await stage.cli.run("trigger", "customer.created")
        async with asyncio.timeout(ARRIVAL_SECONDS_MAX):
            line = await anext(lines)
    assert "customer.created [evt_" in line


async def test_a_session_that_nobody_knows_is_refused_in_the_words_the_cli_waits_for(stage: Stage) -> None:
    handshake = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "websocket-id": "cliws_unknown",
    }  # fmt: skip
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(stage.sandbox.url + "/v1/stripecli/subscribe", headers=handshake)
    assert reply.status_code == 400
    assert reply.text == '{"error":{"message":"Unknown WebSocket ID."}}'


async def test_the_cli_is_told_what_a_wrong_request_says(stage: Stage) -> None:
    code, said = await stage.cli.run("customers", "retrieve", "cus_unknown")
    assert (code, "No such customer: 'cus_unknown'" in said) == (0, True)
    code, said = await stage.cli.run("accounts", "retrieve")
    assert (code, '"object": "account"' in said) == (0, True)


async def test_a_key_is_needed_to_listen(stage: Stage) -> None:
    async with httpx.AsyncClient(base_url=stage.sandbox.url, trust_env=False) as client:
        data = {"device_name": "x", "websocket_features[]": "webhooks"}
        assert (await client.post("/v1/stripecli/sessions", data=data)).status_code == 401
        headers = {"authorization": f"Bearer {KEY}"}
        session = (await client.post("/v1/stripecli/sessions", data=data, headers=headers)).json()
    assert session["websocket_url"].startswith("ws://127.0.0.1:")
    assert "?" not in session["websocket_url"]
