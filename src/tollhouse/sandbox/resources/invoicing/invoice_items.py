"""Invoice items: what waits for a customer's next invoice, or lies on a draft.

Source: docs.stripe.com/api/invoiceitems.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import WHOLE, Earlier
from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.catalogue import discounts, price_terms
from tollhouse.sandbox.resources.invoicing import invoice_drafts, invoice_lines, invoice_terms
from tollhouse.sandbox.resources.invoicing.invoice_terms import Terms
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/v1/invoiceitems"
EARLIER: Final = {"price": Earlier(), "unit_amount": Earlier(WHOLE)}

readable("invoiceitem", PATH, listed=False)


@operation("POST", PATH, earlier=EARLIER)
def create(world: World, params: Params, /) -> Obj:
    """Create an invoice item: pending, or on the draft that is named."""
    customer = world.get("customer", params.get("customer") or _need("customer"), param="customer")
    invoice = _find_draft(world, params["invoice"]) if params.get("invoice") else None
    if params.get("subscription"):
        world.get("subscription", params["subscription"], param="subscription")
    with world.within(customer):
        currency = params.get("currency") or part(invoice).get("currency") or customer["currency"] or "usd"
        if params.get("currency"):
            currency = price_terms.read_currency(params["currency"])
        made = add(
            world,
            customer,
            invoice_terms.read(world, params, currency),
            read_period(world, params),
            discountable=params.get("discountable", True),
            metadata=merge_metadata(None, params.get("metadata", {})),
            parent=parent_of(params.get("subscription") or None),
        )
        made = _apply(world, made, params)
        return made if invoice is None else _lay_on(world, made, invoice)


@operation("POST", PATH + "/{id}", earlier=EARLIER)
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change an invoice item whose invoice, if it has one, is a draft; Stripe has no event for it any more."""
    given = world.get("invoiceitem", id)
    invoice = None if given["invoice"] is None else _find_draft(world, given["invoice"])
    changes: Obj = {name: params[name] or None for name in ("description",) if name in params}
    changes |= {name: params[name] for name in ("discountable", "period") if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(given["metadata"], params["metadata"])
    if any(name in params for name in invoice_terms.NAMES):
        if given["proration"] and "amount" not in params:
            raise invalid("You cannot change the price or the quantity of a proration.")
        terms = invoice_terms.read(world, invoice_terms.fill(given, params), given["currency"])
        changes |= terms.billed() | {"net_amount": terms.amount}
    given = _apply(world, world.change(given, changes), params)
    if invoice is not None:
        replace_line(world, invoice, given)
    return given


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List invoice items, by customer, invoice or being pending."""
    equal = {name: params[name] for name in ("customer", "invoice") if name in params}
    pending = params.get("pending")

    def fits(obj: Obj) -> bool:
        return pending is None or (obj["invoice"] is None) == pending

    return read_page(world, "invoiceitem", params, PATH, where=fits, **equal)


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete an invoice item that is pending, or on a draft."""
    given = world.get("invoiceitem", id)
    if given["invoice"] is not None:
        drop_line(world, _find_draft(world, given["invoice"]), given["id"])
    return world.remove(given, "invoiceitem.deleted")


def add(
    world: World, customer: Obj, terms: Terms, period: tuple[int, int], *, hidden: Obj | None = None, **fields: Any
) -> Obj:
    """Return a new pending item, told of as `invoiceitem.created`.

    `hidden` is kept in `_`: of a proration that gives something back its `credited_items`, and what it `repays`.
    """
    quantity = terms.quantity
    item = world.new("invoiceitem", customer=customer["id"], test_clock=customer.get("test_clock"), date=world.now())
    item |= {"currency": terms.currency, "amount": terms.amount, "net_amount": terms.amount, "pricing": terms.pricing}
    item |= {"quantity": quantity, "quantity_decimal": str(quantity), "description": terms.description}
    item |= {"discountable": True, "discounts": [], "metadata": {}, "tax_rates": []}
    item |= {"period": {"start": period[0], "end": period[1]}, HIDDEN: {**part(hidden)}, **fields}
    world.save(item)
    world.emit("invoiceitem.created", item)
    return item


def parent_of(subscription: str | None, item: str | None = None) -> Obj | None:
    """Return the parent of an item that belongs to a subscription, or to one of its items."""
    if subscription is None:
        return None
    details = {"subscription": subscription, **({} if item is None else {"subscription_item": item})}
    return {"subscription_details": details, "type": "subscription_details"}


def pending(world: World, customer: str, currency: str, subscription: str | None = None) -> list[Obj]:
    """Return what waits for a customer's invoice, oldest first: of one subscription, and of none."""
    waiting = world.every("invoiceitem", customer=customer, invoice=None)
    owners = {None, subscription}
    return [each for each in reversed(waiting) if each["currency"] == currency and owner_of(each) in owners]


def owner_of(item: Obj) -> str | None:
    """Return the subscription an item belongs to, or None."""
    return part(part(item["parent"]).get("subscription_details")).get("subscription")


def bill(world: World, items: Sequence[Obj], invoice: Obj) -> None:
    """Note that these items lie on an invoice."""
    for each in items:
        world.change(each, {"invoice": invoice["id"]})


def replace_line(world: World, invoice: Obj, item: Obj) -> Obj:
    """Bring the line of an item on a draft up to it."""
    lines = invoice_lines.read(invoice)
    new = invoice_lines.of_invoice_item(world, item)
    kept = [new | {"id": each["id"]} if item_of(each) == item["id"] else each for each in lines]
    return save_lines(world, invoice, kept)


def drop_line(world: World, invoice: Obj, id: str) -> Obj:
    """Take the line of an item off its draft."""
    return save_lines(world, invoice, [each for each in invoice_lines.read(invoice) if item_of(each) != id])


def save_lines(world: World, invoice: Obj, lines: Sequence[Obj]) -> Obj:
    """Give a draft these lines, and tell what that changes."""
    before = {name: invoice[name] for name in ("amount_due", "amount_remaining", "lines", "subtotal", "total")}
    invoice = world.save(invoice_drafts.recompute(world, invoice, lines))
    world.emit("invoice.updated", invoice, previous={name: old for name, old in before.items() if invoice[name] != old})
    return invoice


def item_of(line: Obj) -> str | None:
    """Return the invoice item a line was made of, or None."""
    parent = part(line["parent"])
    details = part(parent.get(parent.get("type", "")))
    return details.get("invoice_item")


def _lay_on(world: World, item: Obj, invoice: Obj) -> Obj:
    item = world.change(item, {"invoice": invoice["id"]})
    save_lines(world, invoice, [*invoice_lines.read(invoice), invoice_lines.of_invoice_item(world, item)])
    return item


def _apply(world: World, item: Obj, params: Params) -> Obj:
    """Give an item the discounts that are asked for."""
    if "discounts" not in params:
        return item
    asked = discounts.read_asked(world, params["discounts"], customer=item["customer"])
    made = [
        discounts.create(
            world, each.coupon, customer=item["customer"], promotion_code=each.promotion_code, invoice_item=item["id"]
        )["id"]
        for each in asked
    ]
    return world.change(item, {"discounts": made})


def _find_draft(world: World, id: str) -> Obj:
    invoice = world.get("invoice", id, param="invoice")
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is no longer editable: its lines can be changed while it is a draft.",
            "invoice",
            "invoice_not_editable",
        )
    return invoice


def read_period(world: World, params: Params) -> tuple[int, int]:
    """Return the start and the end of the period a request names: now, if none. Raises `StripeError` 400."""
    period = params.get("period") or {"start": world.now(), "end": world.now()}
    if period["end"] < period["start"]:
        raise invalid("The period's end must not be before its start.", "period[end]")
    return period["start"], period["end"]


def _need(name: str) -> str:
    raise parameter_missing(name)
