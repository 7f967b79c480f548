"""The steps that tests of payments share."""

from __future__ import annotations

from typing import Any

import httpx

from tests.sandbox.asking import ask

AUTHENTICATION = "pm_card_authenticationRequired"


async def pay(
    api: httpx.AsyncClient,
    method: str | None = "pm_card_visa",
    *,
    amount: int = 2000,
    currency: str = "usd",
    status: int = 200,
    version: str | None = None,
    **more: Any,
) -> Any:
    """Return a payment intent that was confirmed as it was made, or the error of that."""
    params = {"amount": amount, "currency": currency, "confirm": True, **more}
    if method is not None:
        params["payment_method"] = method
    return await ask(api, "POST", "/v1/payment_intents", params, status=status, version=version)


async def make_customer(api: httpx.AsyncClient, **params: Any) -> str:
    return (await ask(api, "POST", "/v1/customers", params))["id"]


async def attach(api: httpx.AsyncClient, method: str, customer: str) -> str:
    return (await ask(api, "POST", f"/v1/payment_methods/{method}/attach", {"customer": customer}))["id"]


async def make_iban(api: httpx.AsyncClient, iban: str) -> str:
    params = {
        "type": "sepa_debit",
        "sepa_debit": {"iban": iban},
        "billing_details": {"name": "Alice", "email": "alice@example.com"},
    }
    return (await ask(api, "POST", "/v1/payment_methods", params))["id"]


async def debit(api: httpx.AsyncClient, iban: str = "AT611904300234573201", **more: Any) -> Any:
    """Return a payment intent whose bank is being asked."""
    acceptance = {"customer_acceptance": {"type": "offline"}}
    params = {"payment_method_types": ["sepa_debit"], "currency": "eur", "mandate_data": acceptance, **more}
    return await pay(api, await make_iban(api, iban), **params)


async def charge_of(api: httpx.AsyncClient, intent: dict[str, Any]) -> Any:
    return await ask(api, "GET", f"/v1/charges/{intent['latest_charge']}")
