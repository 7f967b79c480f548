"""Stripe asked while it fails in every way: the key is kept, nobody waits long, and nothing is made twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.billing.stripe_rig import LIVE, account
from tollhouse.billing import budget, circuit, stripe_account, stripe_attempt
from tollhouse.billing.budget import Budget
from tollhouse.billing.errors import StripeRefused, StripeUnavailable
from tollhouse.billing.stripe_account import StripeAccount
from tollhouse.telemetry.metrics import registry
from tollhouse.testing import Sandbox, make_settings
from tollhouse.testing.kit_settings import STRIPE

CUSTOMERS = "/v1/customers"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
def stripe(sandbox: Sandbox) -> StripeAccount:
    return account(sandbox)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and deadlines a twentieth as long."""
    monkeypatch.setattr(stripe_account, "BACKOFF_SECONDS", 0.0125)
    monkeypatch.setattr(stripe_account, "CALL_SECONDS_MAX", 0.4)
    monkeypatch.setattr(stripe_attempt, "ATTEMPT_SECONDS_MAX", 0.15)


async def count(stripe: StripeAccount) -> int:
    return len([raw async for raw in stripe.pages(CUSTOMERS)])


FAULTS: dict[str, dict[str, Any]] = {
    "nothing reached Stripe": {"fault": "reset", "when": "before"},
    "the answer was lost": {"fault": "reset", "when": "after"},
    "no answer for long": {"fault": "timeout", "when": "after", "seconds": 1},
    "a server error before the effect": {"fault": "error", "status": 500},
    "a server error after the effect": {"fault": "error", "status": 503, "when": "after"},
    "another request has the object": {"fault": "error", "status": 409},
    "too many requests": {"fault": "rate_limit", "per_second": 1},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_call_that_failed_once_makes_one_object(
    sandbox: Sandbox, stripe: StripeAccount, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault["fault"] == "rate_limit":
        monkeypatch.setattr(stripe_account, "CALL_SECONDS_MAX", 3)
        monkeypatch.setattr(stripe_account, "BACKOFF_SECONDS", 0.5)
        await stripe.get(CUSTOMERS)
    else:
        fault = fault | {"times": 1}
    sandbox.faults.add(fault | {"method": "POST" if "times" in fault else "*"})
    made = await stripe.post(CUSTOMERS, {"name": "Alice"}, idempotency_key="alice")
    sandbox.faults.clear()
    assert [raw["id"] async for raw in stripe.pages(CUSTOMERS)] == [made["id"]]


async def test_the_same_key_gives_the_same_object_and_another_one_another(stripe: StripeAccount) -> None:
    ids = [(await stripe.post(CUSTOMERS, {}, idempotency_key=key))["id"] for key in ("one", "one", "two")]
    assert ids[0] == ids[1] != ids[2]


async def test_a_key_that_was_used_for_something_else_is_told_apart(stripe: StripeAccount) -> None:
    await stripe.post(CUSTOMERS, {"name": "Alice"}, idempotency_key="one")
    with pytest.raises(StripeRefused) as refused:
        await stripe.post(CUSTOMERS, {"name": "Mallory"}, idempotency_key="one")
    assert refused.value.is_conflict
    assert not refused.value.is_missing


async def test_what_is_missing_is_told_with_its_parameter(stripe: StripeAccount) -> None:
    with pytest.raises(StripeRefused) as refused:
        await stripe.post(
            "/v1/billing_portal/sessions",
            {"customer": "cus_gone", "return_url": "https://x.example"},
            idempotency_key="one",
        )
    assert (refused.value.is_missing, refused.value.param) == (True, "customer")
    assert refused.value.status == 502


async def test_a_refusal_is_logged_but_not_that_something_is_not_there(stripe: StripeAccount) -> None:
    with capture_logs() as logs:
        for call in (stripe.get(f"{CUSTOMERS}/cus_none"), stripe.delete(f"{CUSTOMERS}/cus_none")):
            with pytest.raises(StripeRefused):
                await call
    (entry,) = logs
    assert (entry["event"], entry["method"], entry["code"]) == ("stripe_request_refused", "delete", "resource_missing")
    assert entry["stripe_request_id"].startswith("req_")


async def test_a_refusal_is_not_tried_again(sandbox: Sandbox, stripe: StripeAccount) -> None:
    sandbox.faults.add({"fault": "error", "status": 402, "times": 1})
    with pytest.raises(StripeRefused):
        await stripe.post(CUSTOMERS, {}, idempotency_key="one")
    assert await count(stripe) == 0


async def test_a_failure_that_stripe_keeps_for_the_key_is_told_and_not_asked_for_again(
    sandbox: Sandbox, stripe: StripeAccount
) -> None:
    sandbox.faults.add({"fault": "error", "status": 500, "is_kept": True, "times": 1})
    with pytest.raises(StripeUnavailable) as failed:
        await stripe.post(CUSTOMERS, {}, idempotency_key="one")
    assert failed.value.key_is_spent
    assert (await stripe.post(CUSTOMERS, {}, idempotency_key="two"))["id"]


@pytest.mark.parametrize("fault", [{"fault": "timeout", "seconds": 9}, {"fault": "error", "status": 503}])
async def test_an_outage_is_unavailable_within_the_deadline(
    sandbox: Sandbox, stripe: StripeAccount, fault: dict[str, Any]
) -> None:
    await stripe.open()
    sandbox.faults.add(fault)
    began = time.monotonic()
    with capture_logs() as logs, pytest.raises(StripeUnavailable) as failed:
        await stripe.get("/v1/customers/cus_1")
    assert time.monotonic() - began < 0.7
    assert (failed.value.status, failed.value.code) == (502, "stripe_unavailable")
    assert failed.value.retry_after_seconds
    assert [entry["event"] for entry in logs] == ["stripe_request_failed"]


async def test_a_wait_that_stripe_asks_for_is_kept_or_given_up(
    sandbox: Sandbox, stripe: StripeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    async def refuse(*_: Any) -> stripe_attempt.Failed:
        made.append(1)
        error = StripeUnavailable(retry_after_seconds=30)
        return stripe_attempt.Failed(
            error, can_retry=True, was_answered=True, why="status_429", retry_after_seconds=30.0
        )

    monkeypatch.setattr(stripe_account, "attempt", refuse)
    with pytest.raises(StripeUnavailable) as failed:
        await stripe.get(CUSTOMERS)
    assert (len(made), failed.value.retry_after_seconds) == (1, 30)


async def test_after_enough_failures_nobody_waits_and_it_heals_by_itself(
    sandbox: Sandbox, stripe: StripeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "OPEN_SECONDS", 0.3)
    rule = sandbox.faults.add({"fault": "reset"})
    results = await asyncio.gather(*(stripe.get(CUSTOMERS) for _ in range(12)), return_exceptions=True)
    assert all(isinstance(result, StripeUnavailable) for result in results)
    assert registry.get_sample_value("tollhouse_stripe_circuit_open") == 1
    hits = sandbox.faults.every()[0]["hits"]
    with pytest.raises(StripeUnavailable):
        await stripe.get(CUSTOMERS)
    assert sandbox.faults.every()[0]["hits"] == hits, "Stripe was asked"
    sandbox.faults.remove(rule["id"])
    await asyncio.sleep(0.31)
    assert await count(stripe) == 0
    assert registry.get_sample_value("tollhouse_stripe_circuit_open") == 0


async def test_a_circuit_lets_one_probe_pass_and_stays_open_when_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(circuit.time, "monotonic", lambda: now)
    breaker = circuit.Circuit()
    for _ in range(circuit.FAILURES_MAX):
        breaker.enter()
        breaker.failed()
    with pytest.raises(StripeUnavailable) as failed:
        breaker.enter()
    assert failed.value.retry_after_seconds == 10
    now += circuit.OPEN_SECONDS
    breaker.enter()
    with pytest.raises(StripeUnavailable):
        breaker.enter()
    breaker.failed()
    with pytest.raises(StripeUnavailable):
        breaker.enter()
    now += circuit.OPEN_SECONDS
    breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()


async def test_work_in_the_background_takes_half_of_the_budget_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(budget.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(budget.asyncio, "sleep", sleep)
    shared = Budget(20)
    for _ in range(25):
        await shared.take(background=True)
    assert max(slept) == pytest.approx(25 / 10 - budget.BURST_SECONDS)
    slept.clear()
    for _ in range(10):
        await shared.take(background=False)
    assert max(slept) == pytest.approx(35 / 20 - budget.BURST_SECONDS)


async def test_who_would_wait_too_long_for_the_budget_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        """No time passes."""

    monkeypatch.setattr(budget.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(budget.asyncio, "sleep", sleep)
    for background, most in ((False, 45), (True, 252)):
        shared = Budget(20)
        if background:
            shared._all = budget.Bucket(1e6)
        for _ in range(most):
            await shared.take(background=background)
        with pytest.raises(StripeUnavailable):
            await shared.take(background=background)


def test_stripe_itself_is_asked_below_its_limits() -> None:
    rates = {
        key: StripeAccount(make_settings(**STRIPE | LIVE | {"stripe_api_key": key}))._budget._all._interval
        for key in ("sk_test_x", "rk_live_x")
    }
    assert rates == {"sk_test_x": 1 / 20, "rk_live_x": 1 / 80}


async def test_lists_come_page_by_page_newest_first_or_from_an_id_on(stripe: StripeAccount) -> None:
    ids = [(await stripe.post(CUSTOMERS, {}, idempotency_key=str(n)))["id"] for n in range(5)]
    assert [raw["id"] async for raw in stripe.pages(CUSTOMERS, limit=2)] == ids[::-1]
    assert [raw["id"] async for raw in stripe.pages(CUSTOMERS, limit=2, ending_before=ids[0])] == ids[1:]


async def test_deleting_says_that_it_is_done_or_that_nothing_was_there(stripe: StripeAccount) -> None:
    made = await stripe.post(CUSTOMERS, {}, idempotency_key="one")
    assert (await stripe.delete(f"{CUSTOMERS}/{made['id']}"))["deleted"] is True
    with pytest.raises(StripeRefused):
        await stripe.delete(f"{CUSTOMERS}/cus_none")


async def test_a_key_that_stripe_does_not_know_is_said_in_the_log_and_never_shown(sandbox: Sandbox) -> None:
    stripe = account(sandbox, **LIVE)
    assert stripe.livemode
    with capture_logs() as logs, pytest.raises(StripeRefused) as refused:
        await stripe.get(CUSTOMERS)
    assert refused.value.is_unauthorised
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("stripe_key_refused", "error")]
    assert "oneInAMillion" not in f"{logs}{refused.value}{refused.value.evidence}"


async def test_stripes_message_stays_out_of_the_log_for_it_may_quote_an_address(stripe: StripeAccount) -> None:
    with capture_logs() as logs, pytest.raises(StripeRefused) as refused:
        await stripe.post(CUSTOMERS, {"email": "alice(at)example"}, idempotency_key="one")
    assert "alice(at)example" in (refused.value.stripe_message or "")
    assert "alice" not in f"{logs}{refused.value}{refused.value.public_detail}{refused.value.evidence}"


class Answers:
    """A client of the SDK's that answers what it is told to."""

    def __init__(self, *answers: tuple[bytes, int, dict[str, str]] | Exception) -> None:
        self.answers = list(answers)
        self.keys: list[str | None] = []
        self.headers: dict[str, str] = {}

    def client(self) -> Any:
        import stripe

        outer = self

        class Client(stripe.HTTPClient):
            name = "answers"

            async def request_async(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
                outer.keys.append(headers.get("Idempotency-Key"))
                outer.headers = dict(headers)
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                if isinstance(answer, Exception):
                    raise answer
                return answer

        return Client()


def asked(answers: Answers) -> StripeAccount:
    return StripeAccount(make_settings(**STRIPE), http_client=answers.client())


GOOD = (b'{"id": "cus_1"}', 200, {})


@pytest.mark.parametrize(
    "bad",
    [
        (b'{"id": "cus_', 200, {}),
        (b"\xff\xfe", 200, {}),
        (b"[]", 200, {}),
        (b"<html>Bad gateway</html>", 502, {}),
        (b'{"error": "odd"}', 500, {}),
        (b'{"error": {"type": "invalid_request_error"}}', 400, {"Stripe-Should-Retry": "true"}),
        ConnectionResetError("the body broke off"),
    ],
    ids=["truncated", "not text", "no object", "a proxy's page", "no error object", "asked to", "an HTTP client's own"],
)
async def test_an_answer_that_is_none_is_asked_for_again_with_the_same_key(bad: Any) -> None:
    answers = Answers(bad, GOOD)
    assert (await asked(answers).post(CUSTOMERS, {}, idempotency_key="one"))["id"] == "cus_1"
    assert answers.keys == ["one", "one"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((b"{}", 200, {}), StripeUnavailable),
        ((b'{"error": {}}', 500, {"Stripe-Should-Retry": "false"}), StripeUnavailable),
        ((b"[]", 403, {}), StripeRefused),
        ((b"<html>Forbidden</html>", 403, {}), StripeRefused),
        ((b'{"error": {"code": 7, "param": ["x"]}}', 400, {"Retry-After": "soon"}), StripeRefused),
    ],
)
async def test_whatever_answers_in_stripes_place_is_one_of_two_errors(answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await asked(Answers(answer)).get(CUSTOMERS)


async def test_requests_name_the_version_and_who_asks_and_tell_stripe_nothing_of_this_machine() -> None:
    import stripe

    answers = Answers(GOOD)
    await asked(answers).get(CUSTOMERS)
    assert answers.headers["Stripe-Version"] == stripe_account.API_VERSION
    assert "Tollhouse/" in answers.headers["User-Agent"]
    assert not stripe.enable_telemetry


async def test_over_the_network_connections_end_with_the_account() -> None:
    import anyio

    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n" + GOOD[0])
        await writer.drain()
        assert await reader.read() == b"", "closed"
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stripe = StripeAccount(make_settings(**STRIPE | {"stripe_api_base": f"http://127.0.0.1:{port}"}))
    with anyio.fail_after(5):
        assert (await stripe.get(CUSTOMERS, limit=1))["id"] == "cus_1"
        await stripe.close()
        await stripe.close()
        server.close()
        await server.wait_closed()
    assert requests[0].startswith(b"GET /v1/customers?limit=1 ")
    assert b"Bearer sk_test_" in requests[0]


async def test_a_mistake_of_ours_is_none_of_stripes(stripe: StripeAccount) -> None:
    with pytest.raises(UnicodeEncodeError):
        await stripe.post(CUSTOMERS, {}, idempotency_key="ключ")


async def test_an_account_that_was_never_asked_is_closed_without_ado() -> None:
    never_opened = StripeAccount(make_settings(**STRIPE))
    await never_opened.close()
    for _ in range(2):
        await never_opened.open()
    await never_opened.close()
