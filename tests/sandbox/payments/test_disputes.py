"""Disputes from the bank's letter to its decision."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tests.sandbox.payments.paying import charge_of, pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import disputes

PATH = "/v1/disputes"
DAYS = 86_400


async def dispute(api: httpx.AsyncClient, name: str = "createDispute") -> Any:
    intent = await pay(api, f"pm_card_{name}")
    listed = await ask(api, "GET", PATH, {"payment_intent": intent["id"]})
    return listed["data"][0]


async def test_a_dispute_takes_the_money_and_a_fee(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await dispute(api)
    assert (made["status"], made["reason"], made["amount"]) == ("needs_response", "fraudulent", 2000)
    assert made["payment_method_details"]["card"]["case_type"] == "chargeback"
    assert made["evidence_details"]["due_by"] > sandbox.clock.now() + 7 * DAYS
    (taken,) = made["balance_transactions"]
    assert (taken["amount"], taken["fee"], taken["net"], taken["type"]) == (-2000, 1500, -3500, "adjustment")
    assert (await ask(api, "GET", f"/v1/charges/{made['charge']}"))["disputed"] is True
    assert types_of(sandbox)[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]


async def test_the_reason_is_the_cards(api: httpx.AsyncClient) -> None:
    assert (await dispute(api, "createDisputeProductNotReceived"))["reason"] == "product_not_received"


@pytest.mark.parametrize(
    ("words", "status", "last"),
    [
        ("winning_evidence", "won", "charge.dispute.funds_reinstated"),
        ("losing_evidence", "lost", "charge.dispute.closed"),
        ("I did send it", "under_review", "charge.dispute.updated"),
    ],
)
async def test_evidence_decides(api: httpx.AsyncClient, sandbox: Sandbox, words: str, status: str, last: str) -> None:
    made = await dispute(api)
    path = f"{PATH}/{made['id']}"
    after = await ask(api, "POST", path, {"evidence": {"uncategorized_text": words}})
    assert (after["status"], after["evidence_details"]["submission_count"]) == ("under_review", 1)
    assert after["evidence_details"]["has_evidence"] is True
    await ask(api, "POST", path, {"evidence": {"uncategorized_text": "more"}}, status=400)
    sandbox.advance(5)
    after = await ask(api, "GET", path)
    assert after["status"] == status
    assert types_of(sandbox)[-1] == last
    assert sum(each["amount"] for each in after["balance_transactions"]) == (0 if status == "won" else -2000)


async def test_evidence_is_kept_back_until_it_is_handed_in(api: httpx.AsyncClient) -> None:
    path = f"{PATH}/{(await dispute(api))['id']}"
    staged = await ask(
        api, "POST", path, {"evidence": {"receipt": "file_1", "customer_name": "Alice"}, "submit": False}
    )
    assert (staged["status"], staged["evidence_details"]["has_evidence"]) == ("needs_response", True)
    emptied = await ask(api, "POST", path, {"evidence": {"receipt": ""}, "submit": False})
    assert (emptied["evidence"]["receipt"], emptied["evidence"]["customer_name"]) == (None, "Alice")
    assert (await ask(api, "POST", path, {"submit": True}))["status"] == "under_review"


async def test_metadata_alone_hands_nothing_in(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    after = await ask(api, "POST", f"{PATH}/{(await dispute(api))['id']}", {"metadata": {"a": "b"}})
    assert (after["status"], after["metadata"]) == ("needs_response", {"a": "b"})
    event = events_of(sandbox, "charge.dispute.updated")[0]
    assert event["data"]["previous_attributes"] == {"metadata": {"a": None}}


async def test_a_dispute_that_is_given_up_is_lost_and_over(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    path = f"{PATH}/{(await dispute(api))['id']}"
    after = await ask(api, "POST", path + "/close")
    assert after["status"] == "lost"
    assert types_of(sandbox)[-1] == "charge.dispute.closed"
    for action, params in (("/close", {}), ("", {"evidence": {"uncategorized_text": "x"}})):
        await ask(api, "POST", path + action, params, status=400)


async def test_silence_loses(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    path = f"{PATH}/{(await dispute(api))['id']}"
    sandbox.advance(10 * DAYS)
    after = await ask(api, "GET", path)
    assert (after["status"], after["evidence_details"]["past_due"]) == ("lost", True)


async def test_an_inquiry_takes_no_money_and_closes(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await dispute(api, "createDisputeInquiry")
    assert (made["status"], made["balance_transactions"]) == ("warning_needs_response", [])
    assert (made["is_charge_refundable"], made["payment_method_details"]["card"]["case_type"]) == (True, "inquiry")
    assert types_of(sandbox)[-1] == "charge.dispute.created"
    assert (await ask(api, "POST", f"{PATH}/{made['id']}/close"))["status"] == "warning_closed"


async def test_an_inquiry_is_answered_or_becomes_a_chargeback(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answered, escalated = [f"{PATH}/{(await dispute(api, 'createDisputeInquiry'))['id']}" for _ in range(2)]
    first = await ask(api, "POST", answered, {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert first["status"] == "warning_under_review"
    await ask(api, "POST", escalated, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    sandbox.advance(5)
    assert (await ask(api, "GET", answered))["status"] == "warning_closed"
    after = await ask(api, "GET", escalated)
    assert (after["status"], len(after["balance_transactions"])) == ("needs_response", 1)
    assert types_of(sandbox)[-1] == "charge.dispute.funds_withdrawn"
    await ask(api, "POST", "/v1/refunds", {"charge": after["charge"]}, status=400)


async def test_any_payment_can_be_disputed_once_and_decided_once(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    world, charge = sandbox.world, await charge_of(api, await pay(api))
    with world.store.transaction(), pytest.raises(Exception, match="what was paid"):
        disputes.open(world, world.get("charge", charge["id"]), amount=2001)
    with world.store.transaction():
        made = disputes.open(world, world.get("charge", charge["id"]), reason="duplicate", amount=500)
        assert disputes.close(world, made, won=True)["status"] == "won"
    with world.store.transaction(), pytest.raises(Exception, match="already closed"):
        disputes.close(world, world.get("dispute", made["id"]), won=False)
    with world.store.transaction(), pytest.raises(Exception, match="cannot be disputed"):
        disputes.open(world, world.get("charge", charge["id"]))
    assert (await ask(api, "POST", "/v1/refunds", {"charge": charge["id"]}))["amount"] == 2000, "the money is back"


async def test_a_dispute_finds_the_payment_settled(api: httpx.AsyncClient) -> None:
    intent = await pay(api, "pm_card_createDispute", version="2026-10-28.endive", return_url="https://shop.example")
    moved = await ask(api, "GET", "/v1/balance_transactions")
    assert [each["amount"] for each in moved["data"]] == [-2000, 2000]
    assert (await charge_of(api, intent))["balance_transaction"] == moved["data"][1]["id"]
