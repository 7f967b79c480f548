"""What moves the balance, and Stripe's fees."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.asking import ask
from tests.sandbox.payments.paying import pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments.balance_transactions import payment_fee

PATH = "/v1/balance_transactions"
DAYS = 86_400


@pytest.mark.parametrize(
    ("amount", "kind", "fee"),
    [
        (1000, "card", 59), (2900, "card", 114), (50, "card", 31), (17, "card", 17), (20, "card", 20),
        (99_999_999, "card", 2_900_030), (1000, "us_bank_account", 8), (99_999_999, "us_bank_account", 500),
        (1000, "sepa_debit", 35), (20, "sepa_debit", 20), (50, "ideal", 31),
    ],
)  # fmt: skip
def test_fees_are_whole_and_rounded_half_up(amount: int, kind: str, fee: int) -> None:
    assert payment_fee(amount, kind) == fee


async def test_a_payment_is_available_two_days_later_at_midnight(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, description="A hammer")
    (moved,) = (await ask(api, "GET", PATH, {"source": intent["latest_charge"]}))["data"]
    assert (moved["amount"], moved["fee"], moved["net"]) == (2000, 88, 1912)
    assert (moved["status"], moved["reporting_category"], moved["type"]) == ("pending", "charge", "charge")
    assert moved["description"] == "A hammer"
    assert moved["fee_details"][0]["amount"] == 88
    assert moved["available_on"] % DAYS == 0
    assert moved["available_on"] > sandbox.clock.now() + DAYS
    sandbox.advance(2 * DAYS)
    assert (await ask(api, "GET", f"{PATH}/{moved['id']}"))["status"] == "available"


async def test_one_card_s_money_is_there_at_once(api: httpx.AsyncClient) -> None:
    await pay(api, "pm_card_bypassPending")
    assert (await ask(api, "GET", PATH))["data"][0]["status"] == "available"


async def test_the_balance_can_be_followed_to_the_last_cent(api: httpx.AsyncClient) -> None:
    intent = await pay(api)
    await ask(api, "POST", "/v1/refunds", {"payment_intent": intent["id"], "amount": 700})
    await pay(api, "pm_card_createDispute", amount=1000)
    await pay(api, currency="eur")
    moved = (await ask(api, "GET", PATH, {"currency": "usd"}))["data"]
    assert [each["net"] for each in moved] == [-2500, 941, -700, 1912]
    assert [each["reporting_category"] for each in moved] == ["dispute", "charge", "refund", "charge"]
    assert all(each["net"] == each["amount"] - each["fee"] for each in moved)
    assert [each["amount"] for each in (await ask(api, "GET", PATH, {"type": "refund"}))["data"]] == [-700]
    assert (await ask(api, "GET", PATH, {"payout": "po_1"}))["data"] == []


async def test_an_unknown_movement_is_missing(api: httpx.AsyncClient) -> None:
    await ask(api, "GET", f"{PATH}/txn_none", status=404)
