"""Refunds: whole, in part, late and failing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tests.sandbox.payments.paying import charge_of, debit, pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import payment_intents, refunds

PATH = "/v1/refunds"
DAYS = 86_400


async def refund(api: httpx.AsyncClient, intent: dict[str, Any], *, status: int = 200, **more: Any) -> Any:
    return await ask(api, "POST", PATH, {"payment_intent": intent["id"], **more}, status=status)


async def test_a_payment_is_refunded_whole_and_tells_it(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api)
    made = await refund(api, intent, reason="requested_by_customer", metadata={"ticket": "7"})
    assert (made["amount"], made["status"], made["reason"]) == (2000, "succeeded", "requested_by_customer")
    assert (made["charge"], made["metadata"]) == (intent["latest_charge"], {"ticket": "7"})
    charge = await charge_of(api, intent)
    assert (charge["amount_refunded"], charge["refunded"], charge["status"]) == (2000, True, "succeeded")
    assert types_of(sandbox)[-2:] == ["refund.created", "charge.refunded"]
    previous = events_of(sandbox, "charge.refunded")[0]["data"]["previous_attributes"]
    assert previous == {"amount_refunded": 0, "refunded": False}


async def test_a_payment_is_refunded_in_parts_and_never_more(api: httpx.AsyncClient) -> None:
    intent = await pay(api)
    await refund(api, intent, amount=500)
    charge = await charge_of(api, intent)
    assert (charge["amount_refunded"], charge["refunded"]) == (500, False)
    error = await refund(api, intent, amount=1501, status=400)
    assert error["message"].endswith("($15.01) is greater than unrefunded amount on charge ($15.00)")
    assert error["param"] == "amount"
    assert (await refund(api, intent))["amount"] == 1500
    error = await refund(api, intent, amount=1, status=400)
    assert error["code"] == "charge_already_refunded"
    listed = await ask(api, "GET", PATH, {"charge": intent["latest_charge"]})
    assert [each["amount"] for each in listed["data"]] == [1500, 500]
    shown = await ask(
        api, "GET", f"/v1/charges/{intent['latest_charge']}", {"expand": ["refunds.data.balance_transaction"]}
    )
    assert [each["balance_transaction"]["amount"] for each in shown["refunds"]["data"]] == [-1500, -500]
    assert shown["refunds"]["total_count"] == 2


@pytest.mark.parametrize("amount", [0, -5])
async def test_nothing_cannot_be_refunded(api: httpx.AsyncClient, amount: int) -> None:
    error = await refund(api, await pay(api), amount=amount, status=400)
    assert (error["code"], error["param"]) == ("parameter_invalid_integer", "amount")


async def test_what_was_not_paid_is_not_refunded(api: httpx.AsyncClient) -> None:
    error = await pay(api, "pm_card_chargeDeclined", status=402)
    await refund(api, error["payment_intent"], status=400)
    assert (await ask(api, "POST", PATH, {"charge": error["charge"]}, status=400))["code"] == "charge_not_refundable"
    held = await pay(api, capture_method="manual")
    await refund(api, held, status=400)
    waiting = await debit(api)
    await refund(api, waiting, status=400)
    await ask(api, "POST", PATH, {}, status=400)
    await ask(api, "POST", PATH, {"charge": "ch_none"}, status=400)


async def test_a_refund_may_arrive_late(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await refund(api, await pay(api, "pm_card_pendingRefund"))
    assert (made["status"], made["pending_reason"]) == ("pending", "processing")
    sandbox.advance(60)
    after = await ask(api, "GET", f"{PATH}/{made['id']}")
    assert after["status"] == "succeeded"
    assert "pending_reason" not in after
    assert types_of(sandbox)[-2:] == ["refund.updated", "charge.refund.updated"]
    previous = events_of(sandbox, "refund.updated")[0]["data"]["previous_attributes"]
    assert previous == {"status": "pending", "pending_reason": "processing"}


async def test_a_refund_may_come_back(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, "pm_card_refundFail")
    made = await refund(api, intent)
    assert made["status"] == "succeeded"
    sandbox.advance(60)
    after = await ask(api, "GET", f"{PATH}/{made['id']}", {"expand": ["failure_balance_transaction"]})
    assert (after["status"], after["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert after["failure_balance_transaction"]["amount"] == 2000
    charge = await charge_of(api, intent)
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    assert types_of(sandbox)[-3:] == ["refund.updated", "charge.refund.updated", "refund.failed"]
    assert (await refund(api, intent, amount=500))["amount"] == 500, "it can be tried again"


async def test_any_refund_can_be_made_to_fail_once(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await refund(api, await pay(api))
    with sandbox.world.store.transaction():
        refunds.fail(sandbox.world, sandbox.world.get("refund", made["id"]))
    with sandbox.world.store.transaction(), pytest.raises(Exception, match="cannot fail"):
        refunds.fail(sandbox.world, sandbox.world.get("refund", made["id"]))


async def test_a_banks_refund_takes_days(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await debit(api)
    sandbox.advance(5)
    made = await refund(api, intent)
    assert (made["status"], made["id"][:4]) == ("pending", "pyr_")
    sandbox.advance(3 * DAYS)
    assert (await ask(api, "GET", f"{PATH}/{made['id']}"))["status"] == "succeeded"


async def test_a_disputed_payment_is_not_refunded_but_one_inquired_about_is(api: httpx.AsyncClient) -> None:
    error = await refund(api, await pay(api, "pm_card_createDispute"), status=400)
    assert error["code"] == "charge_disputed"
    assert (await refund(api, await pay(api, "pm_card_createDisputeInquiry")))["status"] == "succeeded"


async def test_a_refunds_metadata_changes_and_is_told_twice(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await refund(api, await pay(api))
    after = await ask(api, "POST", f"{PATH}/{made['id']}", {"metadata": {"a": "b"}})
    assert after["metadata"] == {"a": "b"}
    assert types_of(sandbox)[-2:] == ["refund.updated", "charge.refund.updated"]
    count = len(types_of(sandbox))
    await ask(api, "POST", f"{PATH}/{made['id']}", {"metadata": {"a": "b"}})
    assert len(types_of(sandbox)) == count, "nothing changed"


async def test_only_a_refund_that_waits_for_its_receiver_is_canceled(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    done = await refund(api, await pay(api))
    await ask(api, "POST", f"{PATH}/{done['id']}/cancel", status=400)
    data = {"type": "konbini", "billing_details": {"name": "Alice", "email": "alice@example.com"}}
    more = {"payment_method_types": ["konbini"], "currency": "jpy"}
    intent = await pay(api, None, payment_method_data=data, **more)
    with sandbox.world.store.transaction():
        waiting = sandbox.world.get("payment_intent", intent["id"])
        intent = payment_intents.answer_challenge(sandbox.world, waiting, approved=True)
    made = await refund(api, intent)
    assert made["status"] == "requires_action"
    assert made["next_action"]["display_details"]["email_sent"]["email_sent_to"] == "alice@example.com"
    canceled = await ask(api, "POST", f"{PATH}/{made['id']}/cancel")
    assert canceled["status"] == "canceled"
    assert (await charge_of(api, intent))["amount_refunded"] == 0
    await ask(api, "POST", f"{PATH}/{made['id']}/cancel", status=400)


async def test_older_clients_refund_at_the_charge(api: httpx.AsyncClient) -> None:
    path = f"/v1/charges/{(await pay(api))['latest_charge']}/refunds"
    assert (await ask(api, "POST", path, {"amount": 500}))["amount"] == 500
    assert (await ask(api, "POST", path, {"amount": "x"}, status=400))["param"] == "amount"
    assert [each["amount"] for each in (await ask(api, "GET", path))["data"]] == [500]
