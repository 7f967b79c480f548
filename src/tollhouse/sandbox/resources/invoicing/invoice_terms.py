"""What an invoice item or a line asks: an amount, a price, or a price made for it.

Source: docs.stripe.com/api/invoiceitems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.billing import unsimulated
from tollhouse.sandbox.resources.catalogue import price_terms, prices
from tollhouse.sandbox.resources.invoicing import invoice_lines
from tollhouse.sandbox.resources.registry import Params
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

NAMES: Final = (
    "amount", "pricing", "price", "price_data", "quantity", "quantity_decimal", "unit_amount", "unit_amount_decimal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """What is billed: an amount in minor units, how it comes about, and in which words."""

    currency: str
    amount: int
    pricing: Obj
    quantity: int
    description: str | None

    def billed(self) -> Obj:
        """Return the fields that tell of it in an invoice item and in a line."""
        told = {"amount": self.amount, "pricing": self.pricing}
        return told | {"quantity": self.quantity, "quantity_decimal": str(self.quantity)}


def of_price(world: World, price: Obj, quantity: int, currency: str, description: str | None = None) -> Terms:
    """Return the terms of so many of a price."""
    amount = price_terms.multiply(price, quantity, currency)
    words = description or invoice_lines.name_of(world, price)
    return Terms(currency, amount, invoice_lines.pricing_of(price, currency), quantity, words)


def read(world: World, params: Mapping[str, Any], currency: str) -> Terms:
    """Return the terms that a request names: an amount, a price, or one made here.

    Raises `StripeError` 400 unless there is one of them.
    """
    unsimulated.refuse(params)
    quantity = _read_quantity(params)
    id = part(params.get("pricing")).get("price") or params.get("price")
    if id:
        price = world.get("price", id, param="pricing[price]")
        if price["type"] != "one_time":
            raise invalid(
                "The price specified is set to `type=recurring` but this field only accepts prices with"
                " `type=one_time`.",
                "price",
            )
        currency = params["currency"] if params.get("currency") else price["currency"]
    elif params.get("price_data"):
        price = prices.inline(world, params["price_data"], "price_data")
        currency = price["currency"]
    elif params.get("unit_amount_decimal") or params.get("unit_amount"):
        price = _invent_price(world, params, currency, str(params.get("unit_amount_decimal") or params["unit_amount"]))
    elif "amount" in params:
        price, quantity = _invent_price(world, params, currency, str(params["amount"])), 1
    else:
        raise parameter_missing("amount")
    terms = of_price(world, price, quantity, currency, params.get("description"))
    return replace(terms, description=params.get("description") or None) if "amount" in params else terms


def fill(item: Obj, params: Params) -> Params:
    """Return what an update leaves out, so that its amount can be worked out anew."""
    kept: Params = {"quantity": item["quantity"]}
    if not any(name in params for name in NAMES if not name.startswith("quantity")):
        kept["pricing"] = {"price": item["pricing"]["price_details"]["price"]}
    return kept | params


def _invent_price(world: World, params: Mapping[str, Any], currency: str, decimal: str) -> Obj:
    """Return the price that Stripe makes for a bare amount: inactive, with a product; nothing tells of it."""
    product = world.new(
        "product", name=params.get("description") or "Invoice item", type="service", active=False, metadata={}
    )
    world.save(product)
    whole = int(decimal) if decimal.lstrip("-").isdigit() else None
    price = world.new("price", currency=currency, product=product["id"], type="one_time", billing_scheme="per_unit")
    price |= {"unit_amount": whole, "unit_amount_decimal": decimal, "metadata": {}, HIDDEN: {"currency_options": {}}}
    return world.save(price)


def _read_quantity(params: Mapping[str, Any]) -> int:
    """Return a whole quantity. Raises `StripeError` 400 for a fraction."""
    decimal = params.get("quantity_decimal")
    if not decimal:
        return int(params.get("quantity") or 1)
    if not decimal.isdecimal():
        raise invalid("The sandbox does not simulate fractional quantities.", "quantity_decimal")
    return int(decimal)
