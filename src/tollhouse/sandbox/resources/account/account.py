"""The account itself, as its own key sees it. Source: docs.stripe.com/api/accounts/retrieve."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.resources.registry import Params, undescribed
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

NAME: Final = "Tollhouse sandbox"


@undescribed("GET", "/v1/account")
def retrieve(world: World, params: Params, /) -> Obj:
    """Return the account that everything here belongs to."""
    return {
        "id": "acct_" + world.ids.derive("account", 16),
        "object": "account",
        "business_profile": {"name": NAME, "url": world.url},
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": NAME, "timezone": "Etc/UTC"}},
        "type": "standard",
    }
