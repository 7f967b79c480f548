"""The next invoice, as versions before basil ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.asking import ask

from .office import Office, item

BEFORE = "2024-06-20"
BASIL = "2025-03-31.basil"


async def upcoming(office: Office, version: str | None = BEFORE, *, reply: int = 200, **params: Any) -> Any:
    return await ask(office.api, "GET", "/v1/invoices/upcoming", params, status=reply, version=version)


async def test_the_next_invoice_is_told_in_the_older_form(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(1500))
    known: list[dict[str, Any]] = [{"customer": customer}, {"subscription": made["id"]}]
    for params in known:
        told = await upcoming(office, **params)
        assert (told["object"], told["amount_due"], told["subscription"]) == ("invoice", 1500, made["id"])
        assert ("id" in told, told["payment_intent"], told["paid"]) == (False, None, False)
    assert len(await office.invoices(customer)) == 1


async def test_a_change_is_told_by_its_older_names(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(3100))
    office.advance(days=1)
    told = await upcoming(
        office,
        subscription=made["id"],
        subscription_items=[{"id": item(made), "quantity": 2}],
        subscription_proration_behavior="always_invoice",
    )
    assert [line["amount"] for line in told["lines"]["data"]] == [-3000, 6000]
    assert told["lines"]["data"][0]["proration"] is True
    listed = await ask(
        office.api, "GET", "/v1/invoices/upcoming/lines", {"subscription": made["id"], "limit": 1}, version=BEFORE
    )
    assert [line["amount"] for line in listed["data"]] == [3100]
    coupon = await office.post("coupons", percent_off=50, duration="once")
    assert (await upcoming(office, subscription=made["id"], coupon=coupon["id"]))["amount_due"] == 1550


async def test_nothing_to_come_and_nonsense_are_refused(office: Office) -> None:
    customer = await office.customer()
    assert (await upcoming(office, customer=customer, reply=404))["code"] == "invoice_upcoming_none"
    assert (await upcoming(office, customer=customer, colour="red", reply=400))["param"] == "colour"


@pytest.mark.parametrize("version", [BASIL, None])
async def test_later_versions_are_sent_to_the_preview(office: Office, version: str | None) -> None:
    customer = await office.customer()
    await office.subscribe(customer, await office.price())
    for path in ("upcoming", "upcoming/lines"):
        error = await ask(
            office.api, "GET", f"/v1/invoices/{path}", {"customer": customer}, status=404, version=version
        )
        assert "/v1/invoices/create_preview" in error["message"]
        assert "code" not in error
