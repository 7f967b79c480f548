"""Requests that mean no good, or nothing at all: each gets an answer, and the sandbox goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import START
from tests.sandbox.receiver import Receiver, create_customer, listen
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.webhooks import deliveries

JSON = {"content-type": "application/json"}
MARK = "x-tollhouse-sandbox"


async def make_price(api: httpx.AsyncClient) -> str:
    price = {"currency": "usd", "unit_amount": "500", "recurring[interval]": "month", "product_data[name]": "Plan"}
    return (await api.post("/v1/prices", data=price)).json()["id"]


# Moments.


@pytest.mark.parametrize("time", [10**12, 10**17, -1, -(10**11)])
async def test_a_clock_stands_at_no_time_that_no_calendar_has(api: httpx.AsyncClient, time: int) -> None:
    reply = await api.post("/v1/test_helpers/test_clocks", data={"frozen_time": str(time)})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "frozen_time")
    sound = await api.post("/v1/test_helpers/test_clocks", data={"frozen_time": str(START)})
    advanced = await api.post(f"/v1/test_helpers/test_clocks/{sound.json()['id']}/advance", data={"frozen_time": time})
    assert (sound.status_code, advanced.status_code) == (200, 400)


@pytest.mark.parametrize(
    "form",
    [
        {"billing_cycle_anchor": str(10**12)},
        {"backdate_start_date": str(-(10**11))},
        {"trial_end": str(10**15)},
        {"cancel_at": str(10**12)},
        {"collection_method": "send_invoice", "days_until_due": str(10**17)},
        {"trial_period_days": str(10**17)},
    ],
)
async def test_a_subscription_has_no_moment_that_no_calendar_has(
    sandbox: Sandbox, api: httpx.AsyncClient, form: dict[str, str]
) -> None:
    customer = (await api.post("/v1/customers", data={"payment_method": "pm_card_visa"})).json()["id"]
    asked = {"customer": customer, "items[0][price]": await make_price(api)}
    assert (await api.post("/v1/subscriptions", data=asked | form)).status_code == 400
    assert (await api.post("/v1/subscriptions", data=asked | {"trial_period_days": "5"})).status_code == 200
    sandbox.advance(60)


async def test_an_invoice_is_due_on_a_day_that_there_is(api: httpx.AsyncClient) -> None:
    customer = (await api.post("/v1/customers", data={"email": "ann@example.com"})).json()["id"]
    form = {"customer": customer, "collection_method": "send_invoice"}
    for days, status in (("30", 200), (str(10**17), 400)):
        made = await api.post("/v1/invoices", data=form | {"days_until_due": days})
        reply = made if made.status_code != 200 else await api.post(f"/v1/invoices/{made.json()['id']}/finalize")
        assert reply.status_code == status, reply.text


# The control API.


@pytest.mark.parametrize(
    "body",
    [
        b'{"fault": "drop", "endpoint": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"fault": ' + b"[" * 45_000 + b"]" * 45_000 + b"}",
        b'{"fault": []}',
        b'{"fault": {}}',
        b'{"fault": "error", "when": []}',
        b'{"fault": "error", "when": {}}',
        b'{"fault": "delay", "seconds": 1e400}',
        b'{"fault": "delay", "seconds": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: body[:30].decode(),
)
async def test_a_fault_that_makes_no_sense_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    assert (await api.post("/control/faults", content=body, headers=JSON)).status_code == 400
    assert (await api.get("/control/faults")).json()["data"] == []


@pytest.mark.parametrize(("limit", "status"), [("9" * 5_000, 400), ("-1", 400), ("%D9%A3", 400), ("2", 200)])
async def test_a_limit_is_a_number(api: httpx.AsyncClient, limit: str, status: int) -> None:
    assert (await api.get(f"/control/deliveries?limit={limit}")).status_code == status


# Webhooks.


async def test_what_cannot_be_prepared_has_failed_and_what_follows_is_sent(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listen(api)

    def fail(*_: object) -> bytes:
        raise ValueError("nothing to print")

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "print_event", fail)
        await create_customer(api)
        await sandbox.settle()
    (failed,) = (await api.get("/control/deliveries")).json()["data"]
    assert "nothing to print" in failed["attempts"][0]["error"]
    await create_customer(api)
    await sandbox.settle()
    assert len(receiver.requests) == 1


# Idempotency.


async def test_the_reply_is_kept_together_with_the_effect_or_neither_is(
    sandbox: Sandbox, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = sandbox.world.store.execute

    def end(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        if "INTO replies" in sql:
            raise asyncio.CancelledError  # as near as it gets to the end of the process
        return execute(sql, *values)

    with monkeypatch.context() as patch:
        patch.setattr(sandbox.world.store, "execute", end)
        with pytest.raises(asyncio.CancelledError):
            await api.post("/v1/customers", headers={"idempotency-key": "k"})
    assert (await api.post("/v1/customers", headers={"idempotency-key": "k"})).status_code == 200
    assert len((await api.get("/v1/customers")).json()["data"]) == 1


async def test_a_request_leaves_nothing_behind_for_the_next(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await api.post("/v1/customers", headers={"idempotency-key": "k", "stripe-version": "2020-08-27"})
    assert (sandbox.world.request["id"], sandbox.world.version) == (None, None)


# Parameters of earlier versions.


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("promotion_codes", {"coupon[]": "x"}),
        ("promotion_codes", {"coupon[a]": "x"}),
        ("invoiceitems", {"currency": "usd", "unit_amount": "x"}),
        ("invoiceitems", {"currency": "usd", "unit_amount": "NaN"}),
        ("invoiceitems", {"currency": "usd", "unit_amount": "1e400"}),
        ("invoiceitems", {"currency": "usd", "unit_amount_decimal": "NaN"}),
        ("subscription_items", {"prorate": ""}),
        ("payment_intents", {"amount": "500", "currency": "usd", "payment_method_types[0][a]": "x"}),
        ("subscriptions", {"plan[]": "x"}),
        ("subscriptions", {"plan": "x", "quantity": "x"}),
        ("products", {"name": "x", "features": "x"}),
        ("customers", {"expand[0][a]": "b"}),
        ("stripecli/sessions", {"expand[0][a]": "b"}),
        ("stripecli/sessions", {"websocket_features[a]": "x"}),
        ("stripecli/sessions", {"device_name[]": "x"}),
    ],
)
async def test_a_parameter_of_an_earlier_version_has_its_type_too(
    api: httpx.AsyncClient, path: str, form: dict[str, str]
) -> None:
    customer = await create_customer(api)
    whose = {"customer": customer} if path in {"invoiceitems", "subscriptions"} else {}
    reply = await api.post(f"/v1/{path}", data=whose | form)
    assert reply.status_code == 400, reply.text


async def test_an_earlier_parameter_replaces_its_own_successor_alone(api: httpx.AsyncClient) -> None:
    coupon = (await api.post("/v1/coupons", data={"percent_off": "5"})).json()["id"]
    assert (await api.post("/v1/promotion_codes", data={"coupon": coupon})).status_code == 200
    missed = (await api.post("/v1/subscription_items", data={"prorate": "true"})).json()["error"]
    assert (missed["code"], missed["param"]) == ("parameter_missing", "subscription")


# Who may come in.


@pytest.mark.parametrize("path", ["/v1/customers", "/control/clock", "/"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("[", 403),
        ("evil.example", 403),
        ("evil.example@127.0.0.1", 403),
        ("127.0.0.1@evil.example", 403),
        ("", 403),
        ("localhost", 200),
        ("[::1]:8001", 200),
        ("LOCALHOST:8001", 200),
    ],
)
async def test_it_answers_to_its_own_name_alone(api: httpx.AsyncClient, path: str, host: str, status: int) -> None:
    assert (await api.get(path, headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_pages_of_others_change_nothing(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for path, body in (
        ("/v1/customers", b"name=x"),
        ("/control/clock/advance", b'{"seconds": 60}'),
        ("/dashboard/clock", b"step=hour"),
    ):
        assert (await api.post(path, headers=JSON | headers, content=body)).status_code == 403, path
    assert (await api.get("/v1/customers")).json()["data"] == []
    assert (await api.get("/control/clock")).json()["now"] == START
    assert (await api.get("/dashboard", headers={"sec-fetch-site": "cross-site"})).status_code == 200  # a link


@pytest.mark.parametrize("header", [b"Basic \xe9", b"Basic !!!", b"Basic /w==", b"Bearer \xff"])
async def test_a_key_of_no_letters_is_no_key(api: httpx.AsyncClient, header: bytes) -> None:
    assert (await api.get("/v1/customers", headers={b"authorization": header})).status_code == 401


# Every reply.


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/customers", 404),
        ("PATCH", "/v1/customers", 404),
        ("OPTIONS", "/v1/customers", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/customers", 200),
        ("GET", "/v1/customers/a%3Fb", 404),
        ("GET", "/nothing", 404),
        ("POST", "/control/clock", 405),
        ("GET", "/control", 200),
        ("GET", "/", 200),
    ],
)
async def test_every_reply_says_that_it_is_none_of_stripes(
    api: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    reply = await api.request(method, path)
    assert (reply.status_code, reply.headers[MARK]) == (status, "1")
    if status != 200 and path.startswith("/v1"):
        assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_an_error_of_its_own_is_told_as_stripe_would(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Sandbox(seed=1, start=START) as sandbox, sandbox.client() as api:
        with monkeypatch.context() as patch:
            patch.setattr(sandbox.world, "new", lambda *_, **__: 1 / 0)
            reply = await api.post("/v1/customers", headers={"idempotency-key": "k"})
        assert (reply.status_code, reply.json()["error"]["type"]) == (500, "api_error")
        assert reply.headers[MARK] == "1"
        assert "ZeroDivisionError" in caplog.text
        assert (await api.post("/v1/customers", headers={"idempotency-key": "k"})).status_code == 200


async def test_an_error_of_its_own_stops_a_strict_test(
    sandbox: Sandbox, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.world, "new", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await api.post("/v1/customers")
