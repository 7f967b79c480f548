"""How versions before basil showed subscriptions, invoices and their lines."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.versions_changes import Change, find, forget, hidden, is_whole
from tollhouse.sandbox.resources.billing.subscription_items import plan_of
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

BASIL: Final = "2025-03-31"


def _lift_period(shown: Obj, world: World) -> None:
    """Give a subscription the period of its items, which all have the same one."""
    items: list[Obj] = shown.get("items", {}).get("data", [])
    for name in ("current_period_end", "current_period_start"):
        if items and name in items[0]:
            shown[name] = items[0][name]


def _lift_discount(shown: Obj, world: World) -> None:
    """Show the first discount as the only one, beside the list that later versions have."""
    if "discounts" in shown:
        named: Any = next(iter(shown["discounts"] or ()), None)
        shown["discount"] = find(world, "discount", named)


def _write_invoice(shown: Obj, world: World) -> None:
    if "parent" in shown:
        parent: Obj = shown.pop("parent") or {}
        details: Obj = parent.get("subscription_details") or {}
        shown["subscription"] = details.get("subscription")
        shown["subscription_details"] = {"metadata": details.get("metadata")}
    if "status" in shown:
        shown["paid"] = shown["status"] == "paid"
    if "total_taxes" in shown:
        taxes: list[Obj] = shown.pop("total_taxes") or []
        shown["total_tax_amounts"] = taxes
        shown["tax"] = sum(each["amount"] for each in taxes) if taxes else None
    if is_whole(shown):
        shown["paid_out_of_band"] = bool(shown.get("amount_paid_off_stripe"))
        shown |= {"application_fee_amount": None, "quote": None, "transfer_data": None}
        _name_payment(shown, world)


def _name_payment(shown: Obj, world: World) -> None:
    """Give an invoice the payment intent it is paid by, and that one's latest charge."""
    stored = world.find("invoice", shown["id"]) or shown
    intent = world.find("payment_intent", hidden(stored, "payment_intent"))
    shown["payment_intent"] = intent and intent["id"]
    shown["charge"] = intent and intent["latest_charge"]


def _write_line(shown: Obj, world: World) -> None:
    _write_pricing(shown, world)
    if "parent" in shown:
        parent: Obj = shown.pop("parent") or {}
        of_item: Obj = parent.get("subscription_item_details") or {}
        details: Obj = of_item or parent.get("invoice_item_details") or {}
        shown["proration"] = details.get("proration", False)
        shown["proration_details"] = details.get("proration_details") or {"credited_items": None}
        shown["subscription"] = details.get("subscription")
        shown["type"] = "subscription" if of_item and not of_item.get("invoice_item") else "invoiceitem"
        if of_item:
            shown["subscription_item"] = of_item["subscription_item"]
        if details.get("invoice_item"):
            shown["invoice_item"] = details["invoice_item"]
    if "taxes" in shown:
        shown["tax_amounts"] = shown.pop("taxes") or []
        shown["tax_rates"] = []
    if is_whole(shown):
        shown["amount_excluding_tax"] = shown["amount"]


def _write_item(shown: Obj, world: World) -> None:
    if "pricing" in shown:
        pricing: Obj = shown["pricing"] or {}
        _write_pricing(shown, world)
        price: Obj = shown["price"] or {}
        shown["unit_amount"] = price.get("unit_amount")
        shown["unit_amount_decimal"] = pricing.get("unit_amount_decimal")
    if "parent" in shown:
        parent: Obj = shown.pop("parent") or {}
        owner: Obj = parent.get("subscription_details") or {}
        shown["subscription"] = owner.get("subscription")
        if owner.get("subscription_item"):
            shown["subscription_item"] = owner["subscription_item"]


def _write_pricing(shown: Obj, world: World) -> None:
    """Embed the price a line is made of, and where it recurs the plan of the same id."""
    if "pricing" in shown:
        pricing: Obj = shown.pop("pricing") or {}
        price = find(world, "price", pricing.get("price_details", {}).get("price"))
        shown["price"] = price
        shown["plan"] = plan_of(price) if price and price["recurring"] else None
        if shown.get("object") == "line_item":
            shown["unit_amount_excluding_tax"] = pricing.get("unit_amount_decimal")


CHANGES: Final = (
    Change(BASIL, "subscription", _lift_period),
    Change(BASIL, "subscription", _lift_discount),
    Change(BASIL, "subscription_item", forget("current_period_end", "current_period_start")),
    Change(BASIL, "invoice", _lift_discount),
    Change(BASIL, "invoice", _write_invoice),
    Change(BASIL, "line_item", _write_line),
    Change(BASIL, "invoiceitem", _write_item),
)
