"""A till on a database of the test's own, with a sandbox in process and nothing working in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tollhouse.app import Tollhouse
from tollhouse.billing.opening import open_till
from tollhouse.billing.stripe_account import StripeAccount
from tollhouse.billing.till import Till
from tollhouse.signing.tokens import create_token
from tollhouse.testing import Sandbox, make_settings
from tollhouse.testing.kit_settings import STRIPE
from tollhouse.testing.stripe_sandbox import sdk_http_client

SECRET = create_token()
LIVE: dict[str, Any] = {"stripe_api_key": "sk_live_oneInAMillion", "stripe_api_base": "https://api.stripe.com"}
PLAN = {"id": "plan-monthly", "mode": "subscription", "unit_amount_minor": 900, "currency": "eur", "interval": "month"}
PACK = {"id": "pack", "unit_amount_minor": 1500, "currency": "eur", "credits": 100}
PRODUCTS = ({"id": "plan", "name": "Plan", "prices": [PLAN]}, {"id": "pack", "name": "Pack", "prices": [PACK]})


def products(**amounts: int) -> list[dict[str, Any]]:
    """The plan and the pack, at other amounts: `products(pack=900)`."""
    return [
        product | {"prices": [price | {"unit_amount_minor": amounts.get(product["id"], price["unit_amount_minor"])}]}
        for product in PRODUCTS
        for price in product["prices"]
    ]


@asynccontextmanager
async def opened_till(
    sandbox: Sandbox, database_url: str, *, sold: Sequence[Mapping[str, Any]] = (), **settings: Any
) -> AsyncIterator[Till]:
    """One replica."""
    usual = {"secret": SECRET, "database_url": database_url, "products": list(sold)}
    made = make_settings(**STRIPE | usual | settings)
    async with Tollhouse(made).opened() as run:
        till = await open_till(run, made, sdk_http_client(sandbox))
        yield till
        await till.stripe.close()


def account(sandbox: Sandbox, **settings: Any) -> StripeAccount:
    """The sandbox's account, without a database."""
    made = make_settings(**STRIPE | settings)
    return StripeAccount(made, http_client=sdk_http_client(sandbox))
