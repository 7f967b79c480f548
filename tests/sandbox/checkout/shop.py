"""A shop with things to sell, and buyers who pay on Checkout's page."""

from __future__ import annotations

from typing import Any

import httpx

from tests.sandbox.asking import ask, types_of
from tollhouse.sandbox import Sandbox

SUCCESS_URL = "https://shop.example.com/done?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "https://shop.example.com/cart"
VISA = "4242424242424242"
DECLINED = "4000000000000002"
CHALLENGED = "4000002760003184"
ACCOUNT = "000123456789"
FAILING_ACCOUNT = "000111111116"


class Shop:
    """Asks the API as the seller's server does, and the pages as a buyer's browser does."""

    def __init__(self, sandbox: Sandbox, api: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.api = api

    async def post(self, path: str, params: dict[str, Any] | None = None, *, status: int = 200) -> Any:
        return await ask(self.api, "POST", path, params, status=status)

    async def get(self, path: str, params: dict[str, Any] | None = None, *, status: int = 200) -> Any:
        return await ask(self.api, "GET", path, params, status=status)

    async def price(self, amount: int = 1500, *, name: str = "T-shirt", **params: Any) -> Any:
        product = await self.post("/v1/products", {"name": name})
        return await self.post(
            "/v1/prices", {"product": product["id"], "unit_amount": amount, "currency": "usd"} | params
        )

    async def plan(self, amount: int = 900, *, name: str = "Plan", interval: str = "month") -> Any:
        return await self.price(amount, name=name, recurring={"interval": interval})

    async def session(self, *prices: Any, status: int = 200, quantity: int = 1, **params: Any) -> Any:
        """Create a session, in payment mode unless one of the prices recurs or a mode is given."""
        mode = "subscription" if any(price["recurring"] for price in prices) else "payment"
        given: dict[str, Any] = {"mode": mode, "success_url": SUCCESS_URL, "cancel_url": CANCEL_URL}
        if prices:
            given["line_items"] = [{"price": price["id"], "quantity": quantity} for price in prices]
        given |= params
        given = {name: value for name, value in given.items() if value is not None}
        return await self.post("/v1/checkout/sessions", given, status=status)

    async def read(self, session: Any, *expand: str) -> Any:
        params = {"expand": list(expand)} if expand else None
        return await self.get(f"/v1/checkout/sessions/{session['id']}", params)

    async def pay(self, session: Any, number: str = VISA, **fields: str) -> httpx.Response:
        """Post the page's form."""
        form = {"email": "alice@example.com", "name": "Alice", "method": "card"}
        form |= {"number": number, "expiry": "12 / 34", "cvc": "123"} | fields
        return await self.api.post(f"/checkout/{session['id']}", data=form)

    async def debit(self, session: Any, account: str = ACCOUNT, **fields: str) -> httpx.Response:
        return await self.pay(session, "", method="us_bank_account", account_us_bank_account=account, **fields)

    async def answer(self, reply: httpx.Response, word: str) -> httpx.Response:
        """Answer 3-D Secure, to which a payment led, and follow the bank's way back."""
        assert reply.status_code == 303, reply.text
        address = reply.headers["location"].partition("?")[0]
        back = await self.api.post(address, data={"answer": word})
        assert back.status_code == 303, back.text
        return await self.api.get(back.headers["location"])

    def types(self, *prefixes: str) -> list[str]:
        return [each for each in types_of(self.sandbox) if each.startswith(prefixes)]
