"""Commands in the place of people and banks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tollhouse.sandbox import Sandbox

DECLINED = "4000000000000002"
CHALLENGED = "4000000000003220"
MONTH = 31 * 24 * 3600


async def make(api: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    reply = await api.post(path, data=fields)
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def command(api: httpx.AsyncClient, path: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    reply = await api.post("/control" + path, json=fields)
    assert reply.status_code == status, reply.text
    told: dict[str, Any] = reply.json()
    return told


async def types(api: httpx.AsyncClient) -> list[str]:
    data = (await api.get("/v1/events", params={"limit": 100})).json()["data"]
    return [event["type"] for event in data][::-1]


async def paid(api: httpx.AsyncClient, method: str = "pm_card_visa", **fields: Any) -> dict[str, Any]:
    data = {"amount": 1000, "currency": "usd", "payment_method": method, "confirm": "true"}
    data |= {"return_url": "https://app.example.com", "payment_method_types[]": "card"} | fields
    return await make(api, "/v1/payment_intents", **data)


async def session(api: httpx.AsyncClient, *, recurring: bool = False, **fields: Any) -> dict[str, Any]:
    price: dict[str, Any] = {
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": 700,
        "line_items[0][price_data][product_data][name]": "Book",
        "line_items[0][quantity]": 1,
    }
    if recurring:
        price["line_items[0][price_data][recurring][interval]"] = "month"
    mode = "subscription" if recurring else "payment"
    data = {"mode": mode, "success_url": "https://app.example.com/done", **price, **fields}
    return await make(api, "/v1/checkout/sessions", **data)


async def test_a_session_is_paid_without_a_page(api: httpx.AsyncClient) -> None:
    id = (await session(api))["id"]
    done = await command(api, f"/checkout/sessions/{id}/pay", details={"email": "a@example.com"})
    assert (done["status"], done["payment_status"]) == ("complete", "paid")
    assert done["customer_details"]["email"] == "a@example.com"
    assert "checkout.session.completed" in await types(api)
    again = await command(api, f"/checkout/sessions/{id}/pay", 400)
    assert "open" in again["detail"]


async def test_a_declined_card_leaves_the_session_open_and_its_attempt_behind(api: httpx.AsyncClient) -> None:
    id = (await session(api))["id"]
    problem = await command(api, f"/checkout/sessions/{id}/pay", 402, card=DECLINED)
    assert (problem["code"], problem["decline_code"]) == ("card_declined", "generic_decline")
    assert (await api.get(f"/v1/checkout/sessions/{id}")).json()["status"] == "open"
    assert "payment_intent.payment_failed" in await types(api)
    assert (await command(api, f"/checkout/sessions/{id}/pay"))["status"] == "complete"


@pytest.mark.parametrize(("challenge", "status"), [(None, "open"), ("approve", "complete"), ("refuse", "open")])
async def test_a_challenge_is_answered_or_left(api: httpx.AsyncClient, challenge: str | None, status: str) -> None:
    id = (await session(api))["id"]
    told: dict[str, Any] = {"card": CHALLENGED} | ({} if challenge is None else {"challenge": challenge})
    assert (await command(api, f"/checkout/sessions/{id}/pay", **told))["status"] == status
    assert ("payment_intent.succeeded" in await types(api)) == (status == "complete")


@pytest.mark.parametrize(
    ("told", "param"),
    [
        ({"card": "4242424242424242", "bank_account": "000123456789"}, "bank_account"),
        ({"challenge": "perhaps"}, "challenge"),
        ({"cash": "yes"}, "cash"),
        ({"details": "a@example.com"}, "details"),
    ],
)
async def test_what_makes_no_sense_pays_nothing(api: httpx.AsyncClient, told: dict[str, Any], param: str) -> None:
    id = (await session(api))["id"]
    assert (await command(api, f"/checkout/sessions/{id}/pay", 400, **told))["param"] == param
    assert (await api.get(f"/v1/checkout/sessions/{id}")).json()["status"] == "open"


@pytest.mark.parametrize(
    ("outcome", "event"), [("settle", "async_payment_succeeded"), ("fail", "async_payment_failed")]
)
async def test_a_bank_debit_is_settled_or_fails_later(api: httpx.AsyncClient, outcome: str, event: str) -> None:
    debit: dict[str, Any] = {"payment_method_types[]": "us_bank_account"}
    made = await session(api, **debit)
    done = await command(api, f"/checkout/sessions/{made['id']}/pay", bank_account="000123456789")
    assert (done["status"], done["payment_status"]) == ("complete", "unpaid")
    await command(api, f"/payment_intents/{done['payment_intent']}/{outcome}")
    assert f"checkout.session.{event}" in await types(api)
    problem = await command(api, f"/payment_intents/{done['payment_intent']}/{outcome}", 400)
    assert problem["code"] == "payment_intent_unexpected_state"


async def test_a_promotion_code_is_redeemed(api: httpx.AsyncClient) -> None:
    coupon = await make(api, "/v1/coupons", percent_off=50)
    await make(
        api, "/v1/promotion_codes", **{"promotion[type]": "coupon", "promotion[coupon]": coupon["id"], "code": "HALF"}
    )
    made = await session(api, allow_promotion_codes="true")
    done = await command(api, f"/checkout/sessions/{made['id']}/pay", promotion_code="HALF")
    assert done["amount_total"] == 350
    other = await session(api, allow_promotion_codes="true")
    await command(api, f"/checkout/sessions/{other['id']}/pay", 400, promotion_code="NOSUCH")


async def test_a_session_is_let_expire(api: httpx.AsyncClient) -> None:
    id = (await session(api))["id"]
    assert (await command(api, f"/checkout/sessions/{id}/expire"))["status"] == "expired"
    assert "checkout.session.expired" in await types(api)


@pytest.mark.parametrize(("answer", "status"), [("approve", "succeeded"), ("refuse", "requires_payment_method")])
async def test_an_intents_challenge_is_answered(api: httpx.AsyncClient, answer: str, status: str) -> None:
    intent = await paid(api, "pm_card_threeDSecure2Required")
    assert intent["status"] == "requires_action"
    assert (await command(api, f"/payment_intents/{intent['id']}/{answer}"))["status"] == status
    await command(api, f"/payment_intents/{intent['id']}/{answer}", 400)


@pytest.mark.parametrize(("answer", "status"), [("approve", "succeeded"), ("refuse", "requires_payment_method")])
async def test_a_setups_challenge_is_answered(api: httpx.AsyncClient, answer: str, status: str) -> None:
    data = {"payment_method": "pm_card_threeDSecure2Required", "confirm": "true", "payment_method_types[]": "card"}
    intent = await make(api, "/v1/setup_intents", **data)
    assert (await command(api, f"/setup_intents/{intent['id']}/{answer}"))["status"] == status


async def test_a_payment_is_refunded_in_part_and_the_refund_fails(api: httpx.AsyncClient) -> None:
    intent = await paid(api)
    refund = await command(api, "/refunds", payment_intent=intent["id"], amount=300)
    assert (refund["amount"], refund["status"]) == (300, "succeeded")
    charge = (await api.get(f"/v1/charges/{intent['latest_charge']}")).json()
    assert charge["amount_refunded"] == 300
    assert (await command(api, f"/refunds/{refund['id']}/fail"))["status"] == "failed"
    assert "refund.failed" in await types(api)
    assert (await api.get(f"/v1/charges/{charge['id']}")).json()["amount_refunded"] == 0
    await command(api, "/refunds", 400, charge=charge["id"], amount=1001)


@pytest.mark.parametrize("told", [{}, {"payment_intent": "pi_1", "charge": "ch_1"}, {"payment_intent": "pi_unknown"}])
async def test_a_refund_needs_one_payment(api: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await command(api, "/refunds", 400, **told)


@pytest.mark.parametrize(("outcome", "status"), [("win", "won"), ("lose", "lost")])
async def test_a_dispute_is_decided(api: httpx.AsyncClient, outcome: str, status: str) -> None:
    intent = await paid(api)
    dispute = await command(api, "/disputes", payment_intent=intent["id"], reason="product_not_received")
    assert (dispute["reason"], dispute["amount"]) == ("product_not_received", 1000)
    assert (await command(api, f"/disputes/{dispute['id']}/{outcome}"))["status"] == status
    told = await types(api)
    assert {"charge.dispute.created", "charge.dispute.closed"} <= set(told)
    assert ("charge.dispute.funds_reinstated" in told) == (outcome == "win")


async def test_a_subscriptions_next_payment_fails(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    made = await session(api, recurring=True)
    done = await command(api, f"/checkout/sessions/{made['id']}/pay")
    path = f"/v1/subscriptions/{done['subscription']}"
    assert (await api.get(path)).json()["status"] == "active"
    await command(api, f"/subscriptions/{done['subscription']}/fail_next_payment")
    sandbox.advance(MONTH + 2 * 3600)
    assert (await api.get(path)).json()["status"] == "past_due"
    assert "invoice.payment_failed" in await types(api)
    await command(api, f"/subscriptions/{done['subscription']}/card", card="4242424242424242")
    sandbox.advance(MONTH)
    assert (await api.get(path)).json()["status"] == "active"
