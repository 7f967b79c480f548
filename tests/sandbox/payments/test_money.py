"""Amounts in words, in each place that shows them."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.asking import ask
from tests.sandbox.payments.paying import pay
from tollhouse.sandbox import money


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (15_000, "bhd", "15.000 BHD"),
        (5, "kwd", "0.005 KWD"),
        (1_234_500, "jpy", "¥1,234,500"),
        (123_450, "usd", "$1,234.50"),
        (-7, "cad", "-CA$0.07"),
        (1_000, "sek", "10.00 SEK"),
        (-1_000, "krw", "-1,000 KRW"),
    ],
)
def test_an_amount_is_shown_with_its_currency_s_decimals(amount: int, currency: str, words: str) -> None:
    assert money.show(amount, currency) == words


async def test_pages_lines_and_errors_show_three_decimals(api: httpx.AsyncClient) -> None:
    intent = await pay(api, amount=15_000, currency="bhd", payment_method_types=["card"])
    charge = await ask(api, "GET", f"/v1/charges/{intent['latest_charge']}")
    assert "15.000 BHD" in (await api.get(charge["receipt_url"])).text
    refund = {"charge": charge["id"], "amount": 15_001}
    assert "15.001 BHD" in (await ask(api, "POST", "/v1/refunds", refund, status=400))["message"]
    recurring = {"recurring": {"interval": "month"}, "product_data": {"name": "Plan"}}
    price = await ask(api, "POST", "/v1/prices", {"unit_amount": 15_000, "currency": "bhd", **recurring})
    customer = await ask(api, "POST", "/v1/customers", {"payment_method": "pm_card_visa"})
    given = {"customer": customer["id"], "items": [{"price": price["id"]}], "trial_period_days": 3}
    subscription = await ask(api, "POST", "/v1/subscriptions", given)
    preview = await ask(api, "POST", "/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert "at 15.000 BHD / month" in preview["lines"]["data"][-1]["description"]
