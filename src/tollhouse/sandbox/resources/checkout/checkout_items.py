"""What is sold in a Checkout session: its line items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.billing import unsimulated
from tollhouse.sandbox.resources.catalogue import prices
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

ITEMS_MAX: Final = 100
RECURRING_MAX: Final = 20
QUANTITY_MAX: Final = 999_999


def build(world: World, given: Sequence[Params], mode: str, currency: str | None) -> list[Obj]:
    """Return the session's line items in the order given, their amounts not reckoned yet.

    All are in one currency: the one given, or else the first price's. Raises `StripeError` 400.
    """
    items: list[Obj] = []
    for place, params in enumerate(given):
        item = _build_one(world, params, f"line_items[{place}]", currency)
        currency = item["currency"]
        items.append(item)
    _check_mode(items, mode)
    return items


def is_recurring(item: Obj) -> bool:
    """Say whether an item is charged again and again."""
    return item["price"]["type"] == "recurring"


def set_quantity(item: Obj, quantity: int, param: str = "line_items") -> None:
    """Change how many are bought. Raises `StripeError` 400 outside of what the item allows."""
    rule = item["adjustable_quantity"]
    if rule is None or not rule["enabled"]:
        raise invalid("The quantity of this line item is not adjustable.", param)
    least, most = rule["minimum"] or 0, rule["maximum"] or QUANTITY_MAX
    if not least <= quantity <= most:
        raise invalid(f"The quantity must be between {least} and {most}.", param)
    item["quantity"] = quantity


def _build_one(world: World, params: Params, name: str, currency: str | None) -> Obj:
    unsimulated.refuse(params, name)
    price = _price(world, params, name)
    quantity = _quantity(params, price, name)
    amount_in = _currency(price, currency, name)
    product = world.get("product", price["product"], param=f"{name}[price]")
    adjustable = params.get("adjustable_quantity")
    return world.new(
        "item",
        price=price,
        quantity=quantity,
        currency=amount_in,
        description=product["name"],
        metadata=params.get("metadata") or {},
        adjustable_quantity=None if adjustable is None else {"maximum": None, "minimum": None} | adjustable,
    )


def _price(world: World, params: Params, name: str) -> Obj:
    if ("price" in params) == ("price_data" in params):
        raise invalid("You must specify either `price` or `price_data` when using prices.", name)
    if "price_data" in params:
        return prices.inline(world, params["price_data"], f"{name}[price_data]")
    price = world.get("price", params["price"], param=f"{name}[price]")
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", f"{name}[price]")
    if price["custom_unit_amount"] is not None:
        raise invalid("The sandbox does not simulate prices whose amount the customer chooses.", f"{name}[price]")
    return price


def _quantity(params: Params, price: Obj, name: str) -> int:
    if "quantity" not in params:
        raise invalid(f"Quantity is required. Add `quantity` to `{name}`.", f"{name}[quantity]", "parameter_missing")
    quantity: int = params["quantity"]
    if quantity < 1 and "adjustable_quantity" not in params:
        raise invalid("This value must be greater than or equal to 1.", f"{name}[quantity]")
    if quantity > QUANTITY_MAX:
        raise invalid(f"This value must be less than or equal to {QUANTITY_MAX}.", f"{name}[quantity]")
    return quantity


def _currency(price: Obj, wanted: str | None, name: str) -> str:
    """Return the currency the item is sold in. Raises `StripeError` 400 if the price has no amount in it."""
    own: str = price["currency"]
    if wanted is None or wanted == own:
        return own
    offered = [own, *(each for each in part(part(price.get(HIDDEN)).get("currency_options")) if each != own)]
    if wanted not in offered:
        supported = ", ".join(f"`{each}`" for each in offered)
        raise invalid(
            f"The price specified supports currencies of {supported}. This doesn't match the expected currency:"
            f" `{wanted}`.",
            f"{name}[price]",
        )
    return wanted


def _check_mode(items: list[Obj], mode: str) -> None:
    recurring = [item for item in items if is_recurring(item)]
    if not items:
        raise parameter_missing("line_items")
    if mode == "payment" and recurring:
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use"
            " only one-time prices.",
            "mode",
        )
    if mode == "subscription" and not recurring:
        raise invalid("You must provide at least one recurring price in `subscription` mode when using prices.", "mode")
    if len(items) > ITEMS_MAX or len(recurring) > RECURRING_MAX:
        most = ITEMS_MAX if mode == "payment" else RECURRING_MAX
        raise invalid(f"You can have at most {most} line items in `{mode}` mode.", "line_items")
    rhythms = {
        (item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"]) for item in recurring
    }
    if len(rhythms) > 1:
        raise invalid("Checkout does not support multiple prices with different billing intervals.", "line_items")
