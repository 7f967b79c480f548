"""A business that bills: its customers, its prices, and time that passes."""

from __future__ import annotations

from typing import Any

import httpx

from tests.sandbox.asking import ask, events_of
from tollhouse.sandbox import Sandbox

DAY = 86_400
HOUR = 3_600
VISA = "pm_card_visa"
FAILING = "pm_card_chargeCustomerFail"
CHALLENGED = "pm_card_threeDSecure2Required"


class Office:
    """Asks the API as the seller's server does."""

    def __init__(self, sandbox: Sandbox, api: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.api = api
        self._seen = 0

    async def post(self, path: str, params: dict[str, Any] | None = None, *, reply: int = 200, **more: Any) -> Any:
        return await ask(self.api, "POST", f"/v1/{path}", {**(params or {}), **more}, status=reply)

    async def get(self, path: str, *, reply: int = 200, **params: Any) -> Any:
        return await ask(self.api, "GET", f"/v1/{path}", params, status=reply)

    async def delete(self, path: str, *, reply: int = 200, **params: Any) -> Any:
        return await ask(self.api, "DELETE", f"/v1/{path}", params, status=reply)

    async def customer(self, method: str | None = VISA, **params: Any) -> str:
        """Return the id of a customer who pays with this."""
        if method is not None:
            params |= {"payment_method": method, "invoice_settings": {"default_payment_method": method}}
        return (await self.post("customers", {"email": "alice@example.com", "name": "Alice", **params}))["id"]

    async def price(self, amount: int | None = 1000, interval: str | None = "month", **params: Any) -> str:
        """Return the id of a price that recurs, or of one that does not."""
        product = await self.post("products", name="Plan")
        given: dict[str, Any] = {"product": product["id"], "currency": "usd", **params}
        if amount is not None:
            given["unit_amount"] = amount
        if interval is not None:
            given["recurring"] = {"interval": interval}
        return (await self.post("prices", given))["id"]

    async def subscribe(self, customer: str, *prices: str, reply: int = 200, **params: Any) -> Any:
        items = [{"price": each} for each in prices]
        return await self.post("subscriptions", {"customer": customer, "items": items, **params}, reply=reply)

    async def subscription(self, id: str) -> Any:
        return await self.get(f"subscriptions/{id}", expand=["latest_invoice"])

    async def invoices(self, customer: str) -> list[Any]:
        """Return the customer's invoices, the oldest first."""
        return list(reversed((await self.get("invoices", customer=customer))["data"]))

    async def use(self, method: str, customer: str) -> str:
        """Let the customer pay with this from now on."""
        attached = await self.post(f"payment_methods/{method}/attach", customer=customer)
        await self.post(f"customers/{customer}", invoice_settings={"default_payment_method": attached["id"]})
        return attached["id"]

    def advance(self, *, days: int = 0, hours: int = 0, seconds: int = 0) -> None:
        self.sandbox.advance(days * DAY + hours * HOUR + seconds)

    def news(self, *prefixes: str) -> list[str]:
        """Return the types of the events since it was last asked, the oldest first."""
        types = [each["type"] for each in events_of(self.sandbox)]
        new, self._seen = types[self._seen :], len(types)
        return [each for each in new if each.startswith(prefixes or "")]

    def last(self, type: str) -> Any:
        return events_of(self.sandbox, type)[-1]["data"]


def period(subscription: Any) -> tuple[int, int]:
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def item(subscription: Any) -> str:
    return subscription["items"]["data"][0]["id"]


def amounts(invoice: Any) -> list[int]:
    return [line["amount"] for line in invoice["lines"]["data"]]
