"""Every error code, route, metric, log event and type of event is documented, and nothing that does not exist."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fastapi.routing import iter_route_contexts

import tollhouse
from tests.billing.shop import PRODUCTS
from tests.docs.documents import (
    CREDITS,
    EVENTS,
    OPERATIONS,
    PAYMENTS,
    ROOT,
    SIGN_IN,
    TOKENS,
    blocks,
    documented_events,
    rows,
)
from tollhouse import Event, TollhouseError
from tollhouse.events import schemas
from tollhouse.events.outbox import EVENT_TYPES
from tollhouse.sandbox.sandbox import ControlRefused
from tollhouse.telemetry.metrics import registry
from tollhouse.testing import SignedInClient, TestKit

SOURCE = ROOT / "src" / "tollhouse"
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
MADE_OF_THE_FRAMEWORKS_OWN = {"method_not_allowed": "405"}  # see app.framework_error


def error_classes() -> Iterator[type[TollhouseError]]:
    for module in pkgutil.walk_packages(tollhouse.__path__, "tollhouse."):
        if ".migrations." not in module.name:  # these run inside Alembic only
            importlib.import_module(module.name)
    waiting = [TollhouseError]
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        if error.__module__.startswith("tollhouse.") and "<locals>" not in error.__qualname__:
            yield error


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {
        code: cells[0]
        for page in (SIGN_IN, TOKENS, PAYMENTS, CREDITS, EVENTS)
        for code, cells in rows(page)
        if cells[0].isdigit()
    }
    assert documented == {error.code: str(error.status) for error in error_classes()} | MADE_OF_THE_FRAMEWORKS_OWN


def test_every_route_is_documented() -> None:
    pages = [page.read_text() for page in (SIGN_IN, OPERATIONS, PAYMENTS, CREDITS, EVENTS)]
    text = "".join(pages) + TOKENS.read_text().partition("\n## Protect")[0]
    named = {(method, path) for method, path in re.findall(r"`([A-Z]+) (/[^`?]*)", text)}
    routes = {
        (method, str(route.path).replace("{anything:path}", "").replace("{id:path}", "{id}"))
        for route in iter_route_contexts(TestKit(stripe=True).app.routes)
        for method in route.methods or ()
    }
    assert len(routes) > 20
    assert named - {("POST", "/auth/magic-links/")} == routes


def test_every_metric_is_documented_with_its_labels() -> None:
    documented = {
        name: set(re.findall(r"`(\w+)`", cells[0])) for name, cells in rows(OPERATIONS) if name.startswith("tollhouse_")
    }
    collectors: Any = registry._collector_to_names  # there is no public list
    true = {
        metric._name + ("_total" if metric._type == "counter" else ""): set(metric._labelnames) for metric in collectors
    }
    assert documented == true


def nodes_of_the_source() -> Iterator[ast.AST]:
    for path in SOURCE.rglob("*.py"):
        yield from ast.walk(ast.parse(path.read_text()))


def log_events() -> Iterator[str]:
    """Each name given to `log.info(…)` and the like; where one of two is chosen, both."""
    for node in nodes_of_the_source():
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=method), args=[name, *_]):
                chosen = [name.body, name.orelse] if isinstance(name, ast.IfExp) else [name]
                assert all(isinstance(each, ast.Constant) for each in chosen), ast.unparse(node)
                if method in LOG_METHODS:
                    yield from (str(each.value) for each in chosen if isinstance(each, ast.Constant))


def test_every_log_event_is_documented() -> None:
    text = OPERATIONS.read_text().partition("## Logs")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[a-z_`, ]+`) \|", text, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall("[a-z_]+", cell)}
    assert documented == set(log_events())


def test_every_type_of_event_is_documented() -> None:
    assert set(documented_events()) == EVENT_TYPES
    assert set(re.findall(r"^\*\*`([a-z.]+_?[a-z]*)`\*\*", EVENTS.read_text(), re.MULTILINE)) == EVENT_TYPES


def test_no_type_of_event_is_made_up() -> None:
    """The first of each pair `("user.created", facts)`, which is how `Outbox.emit` takes an event."""
    for node in nodes_of_the_source():
        match node:
            case ast.Tuple(elts=[ast.Constant(value=str(name)), ast.Dict() | ast.Name() | ast.Call()]):
                if re.fullmatch(r"(user|checkout|payment|subscription|credits)\.[a-z_]+", name):
                    assert name in EVENT_TYPES


async def live_through_everything(kit: TestKit) -> str:
    """Somebody's life as a customer, so that every type of event happens; their id."""
    alice = await kit.sign_in("alice@example.com")
    await kit.stripe.control(f"/checkout/sessions/{await begin(alice, 'pack-100')}/expire")
    await kit.stripe.settle()  # or the next click would get the same page, as one is open as far as we know
    for card in ("4242424242424242", "4000000000000259"):  # the second one is disputed
        session = await begin(alice, "pack-100")
        with suppress(ControlRefused):
            await kit.stripe.control(f"/checkout/sessions/{session}/pay", card="4000000000000002")  # declined
        await kit.stripe.control(f"/checkout/sessions/{session}/pay", card=card)
        await kit.stripe.settle()
    await kit.toll.credits.spend(alice.user_id, 30)
    async with kit.stripe.client() as client:
        payment = (await client.get("/v1/payment_intents", params={"limit": 5})).json()["data"][-1]["id"]
    await kit.stripe.control("/refunds", payment_intent=payment, amount=100)
    await kit.stripe.control(f"/checkout/sessions/{await begin(alice, 'pro-monthly')}/pay", card="4242424242424242")
    await kit.stripe.settle()
    await kit.settle()
    assert (await alice.post("/account/delete", json={"confirm": "yes"})).status_code == 200
    await kit.stripe.settle()
    await kit.settle()
    return alice.user_id


async def begin(buyer: SignedInClient, price: str) -> str:
    begun = await buyer.post("/stripe/checkout", json={"price": price})
    return begun.raise_for_status().json()["checkout_session_id"]


def body_of(event: Event) -> dict[str, Any]:
    created_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event.created_at)
    return {
        "id": event.id,
        "type": event.type,
        "sequence": event.sequence,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "data": event.data,
    }


async def test_events_look_as_documented(tmp_path: Path) -> None:
    path, heard = tmp_path / "tollhouse.db", list[Event]()
    kit = TestKit(database_url=f"sqlite:///{path}", stripe=True, products=PRODUCTS, credits_low=80)
    for kind in documented_events():

        @kit.toll.on(kind, name=f"hears {kind}")
        async def _hear(event: Event) -> None:
            heard.append(event)

    async with kit:
        user_id = await live_through_everything(kit)
    with closing(sqlite3.connect(path)) as database:
        stored = dict(database.execute("SELECT type, data FROM tollhouse_events"))
    assert {event.type for event in heard} == set(documented_events()) == set(stored)
    schema = jsonschema_rs.Draft202012Validator(schemas.document(is_strict=True))
    for event in heard:
        body, example = body_of(event), documented_events()[event.type]
        assert set(body) == set(example) == set(Event.__dataclass_fields__) - {"user_id"}
        assert event.user_id == event.data["user_id"] == user_id
        assert set(event.data) == set(json.loads(stored[event.type])) == set(example["data"]), event.type
        schema.validate(body)


async def test_a_problem_looks_as_documented() -> None:
    (example,) = (json.loads(b.text) for b in blocks("json", SIGN_IN) if "urn:" in b.text)
    async with TestKit() as kit:
        browser = kit.new_browser()
        await browser.ask_for_link("alice@example.com")
        reply = await browser.type_code("000000")
    assert reply.json() | {"request_id": ""} == example | {"request_id": ""}
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_session_and_health_look_as_documented() -> None:
    (session,) = (json.loads(b.text) for b in blocks("json", SIGN_IN) if "urn:" not in b.text)
    (health,) = (json.loads(b.text) for b in blocks("json", OPERATIONS))
    async with TestKit() as kit:
        alice = await kit.sign_in("alice@example.com")
        assert set((await alice.get("/auth/session")).json()) == set(session)
        assert (await alice.get("/health/ready")).json() == health


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.name)
def test_json_in_a_guide_is_json(block: Any) -> None:
    json.loads(block.text)
