"""The pages of invoices and receipts."""

from __future__ import annotations

from typing import Any

import pytest

from .shop import ACCOUNT, CHALLENGED, DECLINED, VISA, Shop


@pytest.fixture
async def invoice(shop: Shop) -> Any:
    """An open invoice of a customer who is sent it."""
    customer = await shop.post("/v1/customers", {"email": "alice@example.com"})
    made = await shop.post(
        "/v1/invoices", {"customer": customer["id"], "collection_method": "send_invoice", "days_until_due": 30}
    )
    line = {"customer": customer["id"], "invoice": made["id"], "amount": 4200, "currency": "usd", "description": "Work"}
    await shop.post("/v1/invoiceitems", line)
    return await shop.post(f"/v1/invoices/{made['id']}/finalize")


async def pay(shop: Shop, invoice: Any, number: str = VISA) -> Any:
    form = {"method": "card", "number": number, "expiry": "12 / 34", "cvc": "123"}
    return await shop.api.post(invoice["hosted_invoice_url"], data=form)


async def status_of(shop: Shop, invoice: Any) -> str:
    status: str = (await shop.get(f"/v1/invoices/{invoice['id']}"))["status"]
    return status


async def test_an_open_invoice_is_paid_on_its_page(shop: Shop, invoice: Any) -> None:
    page = await shop.api.get(invoice["hosted_invoice_url"])
    for words in ("Work", "$42.00", "alice@example.com", "Pay $42.00"):
        assert words in page.text
    assert (await pay(shop, invoice)).status_code == 303
    assert await status_of(shop, invoice) == "paid"
    assert "Pay this invoice" not in (await shop.api.get(invoice["hosted_invoice_url"])).text
    assert (await pay(shop, invoice)).status_code == 303
    assert len(shop.types("charge.succeeded")) == 1


async def test_a_declined_card_leaves_it_open(shop: Shop, invoice: Any) -> None:
    refused = await pay(shop, invoice, DECLINED)
    assert refused.status_code == 402
    assert 'role="alert"' in refused.text
    assert (await pay(shop, invoice, "42")).status_code == 422
    assert await status_of(shop, invoice) == "open"


@pytest.mark.parametrize(("word", "status"), [("approve", "paid"), ("refuse", "open")])
async def test_it_waits_for_3d_secure(shop: Shop, invoice: Any, word: str, status: str) -> None:
    page = await shop.answer(await pay(shop, invoice, CHALLENGED), word)
    assert page.status_code == 200
    assert ("did not approve" in page.text) is (word == "refuse")
    assert await status_of(shop, invoice) == status


async def test_a_bank_debit_settles_it_later(shop: Shop, invoice: Any) -> None:
    form = {"method": "us_bank_account", "account_us_bank_account": ACCOUNT}
    assert (await shop.api.post(invoice["hosted_invoice_url"], data=form)).status_code == 303
    assert "processing" in (await shop.api.get(invoice["hosted_invoice_url"])).text
    assert await status_of(shop, invoice) == "open"
    shop.sandbox.advance(10 * 86_400)
    assert await status_of(shop, invoice) == "paid"


async def test_a_draft_is_nobody_s_to_see(shop: Shop) -> None:
    customer = await shop.post("/v1/customers", {"email": "alice@example.com"})
    draft = await shop.post("/v1/invoices", {"customer": customer["id"]})
    assert (await shop.api.get(f"/invoices/{draft['id']}")).status_code == 404
    assert (await shop.api.get("/invoices/in_none")).status_code == 404


async def test_a_charge_has_a_receipt(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.pay(session)
    charge = (await shop.read(session, "payment_intent.latest_charge"))["payment_intent"]["latest_charge"]
    page = await shop.api.get(charge["receipt_url"])
    assert page.status_code == 200
    for words in ("$15.00", "Visa ending in 4242"):
        assert words in page.text
    assert (await shop.api.get("/receipts/ch_none")).status_code == 404
