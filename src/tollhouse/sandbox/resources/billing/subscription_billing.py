"""What a subscription owes, as invoices. Source: docs.stripe.com/billing/invoices/subscription."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.billing import dunning, unsimulated
from tollhouse.sandbox.resources.billing.subscription_items import read
from tollhouse.sandbox.resources.catalogue import discounts, prices
from tollhouse.sandbox.resources.invoicing import invoice_items, invoice_lines, invoice_terms
from tollhouse.sandbox.resources.invoicing.invoice_drafts import draft
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part


def bill(
    world: World, subscription: Obj, lines: Sequence[Obj], *, reason: str, period: tuple[int, int] | None = None
) -> tuple[Obj, Obj]:
    """Draft an invoice of what waits for it and of these lines; return it, and what changes in the subscription.

    `period` is the one that is over, whose usage the invoice would bill.
    """
    customer = world.get("customer", subscription["customer"], param="customer")
    waiting = invoice_items.pending(world, customer["id"], subscription["currency"], subscription["id"])
    made = [invoice_lines.of_invoice_item(world, each) for each in waiting]
    fields = _fields(world, subscription, customer)
    if reason == "subscription_create":
        fields["hidden"]["intent"] = subscription[HIDDEN].get("intent", {})
    if period is not None:
        fields |= {"period_start": period[0], "period_end": period[1]}
    invoice = draft(world, customer, [*made, *lines], reason=reason, currency=subscription["currency"], **fields)
    invoice_items.bill(world, waiting, invoice)
    changes: Obj = {"latest_invoice": invoice["id"]}
    kept = use_up_discounts(world, subscription, customer, invoice)
    if kept != subscription["discounts"]:
        changes["discounts"] = kept
    return invoice, changes


def item_lines(
    world: World, subscription: Obj, items: Sequence[Obj], period: tuple[int, int], *, share: tuple[int, int] = (1, 1)
) -> list[Obj]:
    """Return the lines that bill items for a period, or for a share of it."""
    return [invoice_lines.of_item(world, item, subscription["currency"], period, share=share) for item in items]


def add_items(world: World, customer: Obj, subscription: Obj, given: Sequence[Mapping[str, Any]]) -> None:
    """Let one-time prices wait for the subscription's next invoice: `[{"price" | "price_data", "quantity"}]`."""
    for place, each in enumerate(given):
        at = f"add_invoice_items[{place}]"
        unsimulated.refuse(each, at)
        if each.get("price_data"):
            price = prices.inline(world, each["price_data"], f"{at}[price_data]")
        else:
            price = each.get("price")
            if not price:
                raise parameter_missing(f"{at}[price]")
            price = world.get("price", price, param=f"{at}[price]") if isinstance(price, str) else price
        if price["recurring"] is not None:
            raise _not_one_time(at)
        asked = discounts.read_asked(world, each.get("discounts") or (), f"{at}[discounts]")
        item = invoice_items.add(
            world,
            customer,
            invoice_terms.of_price(world, price, each.get("quantity", 1), subscription["currency"]),
            _read_period(world, subscription, part(each.get("period"))),
            parent=invoice_items.parent_of(subscription["id"]),
            metadata=dict(part(each.get("metadata"))),
        )
        made = [
            discounts.create(world, one.coupon, promotion_code=one.promotion_code, invoice_item=item["id"])
            for one in asked
        ]
        world.change(item, {"discounts": [one["id"] for one in made]})


def collect(world: World, invoice: Obj) -> Obj:
    """Finalize a draft now and collect it; return what became of it."""
    return dunning.advance(world, invoice)


def use_up_discounts(world: World, subscription: Obj, customer: Obj, invoice: Obj) -> list[str]:
    """End the discounts that are good for one invoice and were on this; return those the subscription keeps."""
    now = world.now_for(subscription)
    used = {each["discount"] for each in invoice["total_discount_amounts"]}
    kept: list[str] = []
    for id in subscription["discounts"]:
        discount = world.get("discount", id, param="discounts")
        is_used_up = id in used and discounts.find_coupon(discount)["duration"] == "once"
        if is_used_up or not discounts.is_running(discount, now):
            _end_discount(world, discount, now)
        else:
            kept.append(id)
    own: Obj | None = customer.get("discount")
    if own is not None and own["id"] in used and discounts.find_coupon(own)["duration"] == "once":
        _end_discount(world, own, now)
        world.change(customer, {"discount": None})
    return kept


def running_discounts(world: World, subscription: Obj, customer: Obj) -> list[str]:
    """Return the ids of the discounts on a subscription's invoices: its own, or else its customer's."""
    now = world.now_for(subscription)
    own = [id for id in subscription["discounts"] if discounts.is_running(world.get("discount", id), now)]
    general: Obj | None = customer.get("discount")
    if own or general is None or not discounts.is_running(general, now):
        return own
    return [general["id"]]


def _end_discount(world: World, discount: Obj, now: int) -> None:
    """Tell that a discount is over; it stays to be found from the invoices it was on."""
    discount = world.find("discount", discount["id"]) or discount
    if discounts.is_running(discount, now):
        world.change(discount, {"end": now})
    world.emit("customer.discount.deleted", discount)


def _fields(world: World, subscription: Obj, customer: Obj) -> Obj:
    """Return what an invoice takes from its subscription."""
    settings = subscription["invoice_settings"]
    paused = part(subscription["pause_collection"]).get("behavior")
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    hidden = {"subscription": subscription["id"], "days_until_due": subscription["days_until_due"], "paused": paused}
    return {
        "auto_advance": subscription["status"] != "unpaid" and paused != "keep_as_draft",
        "automatic_tax": subscription["automatic_tax"],
        "collection_method": subscription["collection_method"],
        "custom_fields": settings["custom_fields"],
        "description": settings["description"],
        "discounts": running_discounts(world, subscription, customer),
        "footer": settings["footer"],
        "hidden": hidden,
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
    }


def _read_period(world: World, subscription: Obj, given: Obj) -> tuple[int, int]:
    """Return the period of a one-time item: the items' own unless it says otherwise."""
    start, end = part(given.get("start")), part(given.get("end"))
    items = read(subscription)
    first = items[0] if items else {"current_period_start": world.now(), "current_period_end": world.now()}
    starts = {"timestamp": start.get("timestamp"), "now": world.now()}
    begun = starts.get(start.get("type", ""), first["current_period_start"])
    over = end.get("timestamp") if end.get("type") == "timestamp" else first["current_period_end"]
    return begun or world.now(), over or world.now()


def _not_one_time(at: str) -> Exception:
    return invalid(
        "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`.",
        f"{at}[price]",
    )
