"""The items of a subscription: a price each, and how often. Source: docs.stripe.com/api/subscription_items.

An item is kept by itself and, the same, within its subscription; `store` writes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/subscription_items"


def make(world: World, subscription: Obj, price: Obj, quantity: int, period: tuple[int, int], **fields: Any) -> Obj:
    """Return a new item; it is not stored yet."""
    item = world.new("subscription_item", subscription=subscription["id"], test_clock=subscription["test_clock"])
    del item["test_clock"]
    item |= {"price": price, "plan": plan_of(price), "quantity": quantity, "tax_rates": [], "metadata": {}}
    return item | {"current_period_start": period[0], "current_period_end": period[1], **fields}


def plan_of(price: Obj) -> Obj:
    """Return a price in the older form that items still show beside it."""
    recurring = price["recurring"]
    names = ("id", "active", "billing_scheme", "created", "currency", "livemode", "metadata", "nickname", "product")
    return {
        "object": "plan",
        **{name: price[name] for name in names},
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        **{
            name: recurring[name] for name in ("interval", "interval_count", "meter", "trial_period_days", "usage_type")
        },
    }


def store(world: World, subscription: Obj, items: Sequence[Obj]) -> Obj:
    """Keep these items of a subscription, forget its others, and return what changes in it."""
    kept = {item["id"] for item in items}
    for old in world.every("subscription_item", subscription=subscription["id"]):
        if old["id"] not in kept:
            world.store.remove(old["id"])
    for item in items:
        world.save(item)
    url = f"{PATH}?subscription={subscription['id']}"
    listed = {"object": "list", "data": list(items), "has_more": False, "total_count": len(items), "url": url}
    only = items[0] if len(items) == 1 else None
    # `plan` and `quantity` of the only item are not described any more, yet sent.
    return {"items": listed, "plan": only and only["plan"], "quantity": only and only.get("quantity")}


def read(subscription: Obj) -> list[Obj]:
    """Return the items of a subscription."""
    items: list[Obj] = subscription["items"]["data"]
    return items


def recurring_of(items: Sequence[Obj]) -> Obj:
    """Return how often items recur: all of a subscription's do so equally."""
    recurring: Obj = items[0]["price"]["recurring"]
    return recurring


def period_of(subscription: Obj) -> tuple[int, int]:
    """Return the start and the end of the current period, which all items have in common."""
    item = read(subscription)[0]
    return item["current_period_start"], item["current_period_end"]


def with_period(items: Sequence[Obj], period: tuple[int, int]) -> list[Obj]:
    """Return copies of items in another period."""
    return [{**item, "current_period_start": period[0], "current_period_end": period[1]} for item in items]
