"""Items of subscriptions by request. Source: docs.stripe.com/api/subscription_items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tollhouse.sandbox.api.lists import Page, cut_page
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.billing import pending_updates, unsimulated
from tollhouse.sandbox.resources.billing import subscription_changes as changes_of
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import subscription_terms as terms
from tollhouse.sandbox.resources.billing.subscription_items import PATH
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

NAMES: Final = ("price", "plan", "price_data", "quantity", "metadata", "discounts")

readable("subscription_item", PATH, listed=False)


@operation("POST", PATH, earlier=("prorate",))
def create(world: World, params: Params, /) -> Obj:
    """Add an item to a subscription."""
    unsimulated.refuse(params)
    subscription = world.get("subscription", params["subscription"], param="subscription")
    given = {name: params[name] for name in NAMES if name in params}
    made: list[Obj] = []

    def add(items: Sequence[Obj]) -> list[Obj]:
        made.append(changes_of.new_item(world, subscription, given))
        return [*items, *made]

    _change(world, subscription, params, add)
    return world.find("subscription_item", made[0]["id"]) or made[0]


@operation("POST", PATH + "/{id}", earlier=("prorate",))
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change an item's price, quantity or metadata."""
    item = world.get("subscription_item", id)
    unsimulated.refuse(params)
    subscription = world.get("subscription", item["subscription"])
    given = {name: params[name] for name in NAMES if name in params}
    edited = changes_of.edit_item(world, subscription, item, given)
    _change(world, subscription, params, lambda items: [edited if each["id"] == id else each for each in items])
    return world.get("subscription_item", id)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List the items of a subscription."""
    subscription = world.get("subscription", params["subscription"], param="subscription")
    return cut_page(world, items_of.read(subscription), params, PATH)


@operation("DELETE", PATH + "/{id}", earlier=("prorate",))
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Take an item off its subscription, which keeps another."""
    item = world.get("subscription_item", id)
    subscription = world.get("subscription", item["subscription"])
    if len(items_of.read(subscription)) == 1:
        raise invalid("A subscription must have at least one item; cancel it in order to end it.")
    _change(world, subscription, params, lambda items: [each for each in items if each["id"] != id])
    return {"id": id, "object": "subscription_item", "deleted": True}


def _change(world: World, subscription: Obj, params: Params, edit: Callable[[Sequence[Obj]], list[Obj]]) -> None:
    """Give a subscription the items that `edit` makes of its own, and bill what that changes."""
    states.check_alive(subscription)
    with world.within(subscription):
        old = items_of.read(subscription)
        items = edit(old)
        terms.check_items(items, subscription["currency"])
        change = changes_of.decide(world, subscription, items, params)
        if change is None:
            return
        is_pending = params.get("payment_behavior") == "pending_if_incomplete"
        carry_out = pending_updates.carry_out if is_pending else changes_of.carry_out
        carry_out(world, subscription, change, params, {})
