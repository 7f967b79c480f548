"""A small shop: what it sells, and how people buy there."""

from __future__ import annotations

from typing import Any

import httpx

from tests.identity.rows import rows_of
from tollhouse.billing.tables import purchases
from tollhouse.ledger import accounts
from tollhouse.ledger.accounts import Balance
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient

APP = "https://app.example.com"
PRODUCTS: list[dict[str, Any]] = [
    {
        "id": "pro",
        "name": "Pro",
        "description": "For teams.",
        "features": ["exports", "long-history"],
        "prices": [
            {
                "id": "pro-monthly",
                "mode": "subscription",
                "unit_amount_minor": 900,
                "currency": "eur",
                "interval": "month",
                "credits": 100,
            },
            {
                "id": "pro-yearly",
                "mode": "subscription",
                "unit_amount_minor": 9000,
                "currency": "eur",
                "interval": "year",
                "credits": 1200,
            },
        ],
    },
    {
        "id": "pack",
        "name": "Credit pack",
        "prices": [
            {"id": "pack-100", "unit_amount_minor": 500, "currency": "usd", "credits": 100, "quantity_max": 10},
            {"id": "pack-free", "unit_amount_minor": 0, "currency": "usd", "credits": 5},
        ],
    },
    {
        "id": "trial",
        "name": "Trial",
        "prices": [
            {
                "id": "trial-monthly",
                "mode": "subscription",
                "unit_amount_minor": 1500,
                "currency": "usd",
                "interval": "month",
                "trial_days": 14,
            }
        ],
    },
]
CARD = "4242424242424242"


def open_shop(database_url: str | None, **settings: Any) -> TestKit:
    """A shop on this database; enter it yourself."""
    return TestKit(database_url=database_url, **{"stripe": True, "products": PRODUCTS, "app_origins": APP} | settings)


async def begin(buyer: Any, price: str = "pack-100", *, key: str | None = None, **fields: Any) -> httpx.Response:
    """Ask for a Checkout page."""
    headers = {} if key is None else {"idempotency-key": key}
    return await buyer.post("/stripe/checkout", json={"price": price, **fields}, headers=headers)


async def begun(buyer: Any, price: str = "pack-100", *, key: str | None = None, **fields: Any) -> dict[str, str]:
    """The reply with a Checkout page."""
    reply = await begin(buyer, price, key=key, **fields)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def bought(kit: TestKit, buyer: SignedInClient, price: str = "pack-100", **fields: Any) -> dict[str, str]:
    """The reply with a Checkout page that was paid by card; whatever Stripe sends has arrived."""
    reply = await begun(buyer, price, **fields)
    await pay(kit, reply["checkout_session_id"])
    await arrived(kit)
    return reply


async def pay(kit: TestKit, session_id: str, **how: Any) -> None:
    """Pay on Stripe's page as its buyer would, by card unless a bank account is given."""
    await kit.stripe.control(f"/checkout/sessions/{session_id}/pay", **(how or {"card": CARD}))


async def arrived(kit: TestKit) -> None:
    """Return once Stripe has sent everything, and all of it was worked on."""
    await kit.stripe.settle()
    await kit.settle()


async def hold_webhooks_back(kit: TestKit) -> None:
    """Have nothing arrive that Stripe would tell."""
    await kit.stripe.control("/faults", fault="withhold")


async def break_stripe(kit: TestKit, **fault: Any) -> None:
    """Set a fault of Stripe's API."""
    async with kit.stripe.client() as client:  # a fault's field is called `path`
        (await client.post("/control/faults", json=fault)).raise_for_status()


async def mend_stripe(kit: TestKit) -> None:
    """Lift all faults."""
    async with kit.stripe.client() as client:
        (await client.delete("/control/faults")).raise_for_status()
    kit.toll.till.stripe._circuit.succeeded()  # else the test would wait until Stripe is asked again


async def sessions_of(kit: TestKit) -> list[dict[str, Any]]:
    """Every Checkout Session at Stripe, the newest first."""
    async with kit.stripe.client() as client:
        return (await client.get("/v1/checkout/sessions", params={"limit": 100})).raise_for_status().json()["data"]


async def session_of(kit: TestKit, session_id: str) -> dict[str, Any]:
    """One Checkout Session as Stripe has it."""
    async with kit.stripe.client() as client:
        return (await client.get(f"/v1/checkout/sessions/{session_id}")).raise_for_status().json()


async def purchases_of(kit: TestKit) -> list[dict[str, Any]]:
    """Every row of purchases."""
    return await rows_of(kit, purchases)


async def balance_of(kit: TestKit, buyer: SignedInClient) -> Balance:
    """What somebody has to spend."""
    return await accounts.find(kit.toll.run.db, buyer.user_id)
