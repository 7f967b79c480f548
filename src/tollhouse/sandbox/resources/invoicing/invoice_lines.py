"""The lines of an invoice, made of subscription items and of invoice items.

Source: docs.stripe.com/api/invoice-line-item. An invoice embeds its first ten lines; all of them are in `_`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tollhouse.sandbox import money
from tollhouse.sandbox.errors import missing
from tollhouse.sandbox.resources.catalogue import price_terms
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

EMBEDDED_MAX: Final = 10


def make(world: World, *, currency: str, amount: int, period: tuple[int, int], **fields: Any) -> Obj:
    """Return a line that belongs to no invoice yet; `period` is its start and end."""
    line = world.new("line_item", currency=currency, amount=amount, subtotal=amount)
    line |= {"period": {"start": period[0], "end": period[1]}, "metadata": {}, "discountable": True, "quantity": 1}
    line |= fields
    line["quantity_decimal"] = None if line["quantity"] is None else str(line["quantity"])
    return line


def of_item(world: World, item: Obj, currency: str, period: tuple[int, int], *, share: tuple[int, int] = (1, 1)) -> Obj:
    """Return the line that bills a subscription item for a period, or for the share `(numerator, denominator)`."""
    price = item["price"]
    amount = divide(price_terms.multiply(price, item.get("quantity", 1), currency) * share[0], share[1])
    return make(
        world,
        currency=currency,
        amount=amount,
        period=period,
        description=describe(world, price, item.get("quantity", 1), currency),
        discounts=list(item["discounts"]),
        metadata=dict(item["metadata"]),
        parent=item_parent(item),
        pricing=pricing_of(price, currency),
        quantity=item.get("quantity"),
    )


def of_price(world: World, price: Obj, quantity: int, currency: str, period: tuple[int, int]) -> Obj:
    """Return the line that bills a price of no subscription."""
    return make(
        world,
        currency=currency,
        amount=price_terms.multiply(price, quantity, currency),
        period=period,
        description=name_of(world, price),
        pricing=pricing_of(price, currency),
        quantity=quantity,
    )


def of_trial(world: World, item: Obj, currency: str, period: tuple[int, int]) -> Obj:
    """Return the line of nothing that stands for a trial."""
    price, quantity = item["price"], item.get("quantity", 1)
    return make(
        world,
        currency=currency,
        amount=0,
        period=period,
        description=f"Free trial for {quantity} {_unit(world, price)}",
        metadata=dict(item["metadata"]),
        parent=item_parent(item),
        pricing=pricing_of(price, currency) | {"unit_amount_decimal": "0"},
        quantity=quantity,
    )


def of_invoice_item(world: World, given: Obj) -> Obj:
    """Return the line of an invoice item: of a proration, one that names the subscription's item."""
    owner = part(part(given["parent"]).get("subscription_details"))
    details: Obj = {
        "invoice_item": given["id"],
        "proration": given["proration"],
        "subscription": owner.get("subscription"),
    }
    details["proration_details"] = {"credited_items": given[HIDDEN].get("credited_items")}
    kind = "invoice_item_details"
    if owner.get("subscription_item"):
        kind = "subscription_item_details"
        details["subscription_item"] = owner["subscription_item"]
    parent: Obj = {"invoice_item_details": None, "subscription_item_details": None, kind: details, "type": kind}
    return make(
        world,
        currency=given["currency"],
        amount=given["amount"],
        period=(given["period"]["start"], given["period"]["end"]),
        description=given["description"],
        discountable=given["discountable"],
        discounts=list(given["discounts"]),
        metadata=dict(part(given["metadata"])),
        parent=parent,
        pricing=given["pricing"],
        quantity=given["quantity"],
        subscription=owner.get("subscription"),
    )


def item_parent(item: Obj) -> Obj:
    """Return the parent of a line that bills a subscription item as it is."""
    details: Obj = {"invoice_item": None, "proration": False, "proration_details": {"credited_items": None}}
    details |= {"subscription": item["subscription"], "subscription_item": item["id"]}
    return {"invoice_item_details": None, "subscription_item_details": details, "type": "subscription_item_details"}


def pricing_of(price: Obj, currency: str) -> Obj:
    """Return what a line tells of its price."""
    decimal = price_terms.find_currency(price, currency).get("unit_amount_decimal")
    details = {"price": price["id"], "product": price["product"]}
    return {"price_details": details, "type": "price_details", "unit_amount_decimal": decimal}


def divide(numerator: int, denominator: int) -> int:
    """Return a quotient rounded to the nearest whole number, halves away from zero."""
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))


# Words.


def describe(world: World, price: Obj, quantity: int, currency: str) -> str:
    """Return a line's words: `2 seat × Plan (at $10.00 / month)`."""
    return f"{quantity} {_unit(world, price)} (at {_rate(price, currency)})"


def name_of(world: World, price: Obj) -> str:
    """Return the name of what a price sells."""
    product = part(world.store.get(price["product"]))
    return product.get("name") or price["product"]


def _unit(world: World, price: Obj) -> str:
    product = part(world.store.get(price["product"]))
    label = product.get("unit_label")
    return f"{label} × {name_of(world, price)}" if label else f"× {name_of(world, price)}"


def _rate(price: Obj, currency: str) -> str:
    amount = price_terms.find_currency(price, currency).get("unit_amount")
    shown = "tiered rates" if price["billing_scheme"] == "tiered" else money.show(amount or 0, currency)
    recurring = price["recurring"]
    if recurring is None:
        return shown
    count = recurring["interval_count"]
    return f"{shown} / {recurring['interval']}" if count == 1 else f"{shown} every {count} {recurring['interval']}s"


# The lines of one invoice.


def read(invoice: Obj) -> list[Obj]:
    """Return all lines of an invoice."""
    lines: list[Obj] = invoice[HIDDEN]["lines"]
    return lines


def write(invoice: Obj, lines: Sequence[Obj]) -> None:
    """Give an invoice its lines; it is not saved."""
    for line in lines:
        line["invoice"] = invoice["id"]
    invoice[HIDDEN]["lines"] = list(lines)
    invoice["lines"] = {
        "object": "list",
        "data": list(lines[:EMBEDDED_MAX]),
        "has_more": len(lines) > EMBEDDED_MAX,
        "total_count": len(lines),
        "url": f"/v1/invoices/{invoice['id']}/lines",
    }


def find(invoice: Obj, id: str, *, param: str = "id") -> Obj:
    """Return a line of an invoice. Raises `StripeError` when it has no such line."""
    for line in read(invoice):
        if line["id"] == id:
            return line
    raise missing("line_item", id, param=param, status=404 if param == "id" else 400)
