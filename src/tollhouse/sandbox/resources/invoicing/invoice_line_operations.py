"""Lines of invoices by request: listed, and on drafts added, changed and removed.

Source: docs.stripe.com/api/invoices/add_lines and docs.stripe.com/api/invoice-line-item.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, cut_page
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.invoicing import invoice_items, invoice_lines, invoice_terms
from tollhouse.sandbox.resources.invoicing.invoice_operations import PATH
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj

LINE: Final = PATH + "/{invoiceId}/lines/{id}"


@operation("GET", PATH + "/{id}/lines")
def index(world: World, params: Params, /, *, id: str) -> Page:
    """List the lines of an invoice."""
    invoice = world.get("invoice", id)
    return cut_page(world, invoice_lines.read(invoice), params, f"{PATH}/{id}/lines")


@operation("POST", LINE)
def update(world: World, params: Params, /, *, invoiceId: str, id: str) -> Obj:
    """Change a line of a draft."""
    invoice = _find_draft(world, invoiceId)
    with world.within(invoice):
        line = _edit(world, invoice, invoice_lines.find(invoice, id), params)
        return invoice_lines.find(_put(world, invoice, [line]), line["id"])


@operation("POST", PATH + "/{id}/add_lines")
def add(world: World, params: Params, /, *, id: str) -> Obj:
    """Add lines to a draft: pending invoice items, or what is made here."""
    invoice = _find_draft(world, id)
    with world.within(invoice):
        customer = world.get("customer", invoice["customer"], param="customer")
        made = [_make(world, invoice, customer, each, f"lines[{at}]") for at, each in enumerate(params["lines"])]
        lines = [invoice_lines.of_invoice_item(world, each) for each in made]
        _note_metadata(invoice, params)
        return invoice_items.save_lines(world, invoice, [*invoice_lines.read(invoice), *lines])


@operation("POST", PATH + "/{id}/update_lines")
def update_several(world: World, params: Params, /, *, id: str) -> Obj:
    """Change several lines of a draft."""
    invoice = _find_draft(world, id)
    with world.within(invoice):
        found = [
            (invoice_lines.find(invoice, each["id"], param=f"lines[{at}][id]"), each)
            for at, each in enumerate(params["lines"])
        ]
        _note_metadata(invoice, params)
        return _put(world, invoice, [_edit(world, invoice, line, each) for line, each in found])


@operation("POST", PATH + "/{id}/remove_lines")
def remove(world: World, params: Params, /, *, id: str) -> Obj:
    """Remove lines from a draft: `delete` forgets what they were made of, `unassign` lets it wait again."""
    invoice = _find_draft(world, id)
    with world.within(invoice):
        gone: set[str] = set()
        for at, each in enumerate(params["lines"]):
            line = invoice_lines.find(invoice, each["id"], param=f"lines[{at}][id]")
            item = world.find("invoiceitem", invoice_items.item_of(line))
            if item is None and each["behavior"] == "unassign":
                raise invalid("Only lines of invoice items can be unassigned.", f"lines[{at}][behavior]")
            if item is not None and each["behavior"] == "delete":
                world.remove(item, "invoiceitem.deleted")
            elif item is not None:
                world.change(item, {"invoice": None})
            gone.add(line["id"])
        _note_metadata(invoice, params)
        kept = [line for line in invoice_lines.read(invoice) if line["id"] not in gone]
        return invoice_items.save_lines(world, invoice, kept)


def _make(world: World, invoice: Obj, customer: Obj, given: Params, at: str) -> Obj:
    """Return the invoice item that a new line is made of."""
    if given.get("invoice_item"):
        item = world.get("invoiceitem", given["invoice_item"], param=f"{at}[invoice_item]")
        if item["invoice"] is not None or item["customer"] != customer["id"]:
            raise invalid("This invoice item is on an invoice already, or another customer's.", f"{at}[invoice_item]")
        return world.change(item, {"invoice": invoice["id"]})
    item = invoice_items.add(
        world,
        customer,
        invoice_terms.read(world, given, invoice["currency"]),
        invoice_items.read_period(world, given),
        discountable=given.get("discountable", True),
        metadata=merge_metadata(None, given.get("metadata", {})),
    )
    changes = {"invoice": invoice["id"], "discounts": _discount(world, invoice, given)}
    return world.change(item, changes)


def _edit(world: World, invoice: Obj, line: Obj, given: Params) -> Obj:
    """Return a copy of a line with what a request changes."""
    edited = {**line, **{name: given[name] for name in ("description", "discountable", "period") if name in given}}
    if "metadata" in given:
        edited["metadata"] = merge_metadata(line["metadata"], given["metadata"])
    if "discounts" in given:
        edited["discounts"] = _discount(world, invoice, given)
    if any(name in given for name in invoice_terms.NAMES):
        terms = invoice_terms.read(world, invoice_terms.fill(line, given), invoice["currency"])
        edited |= terms.billed() | {"subtotal": terms.amount}
    item = world.find("invoiceitem", invoice_items.item_of(line))
    if item is not None:
        names = ("amount", "description", "discountable", "discounts", "metadata", "period", "pricing", "quantity")
        world.change(item, {name: edited[name] for name in names} | {"quantity_decimal": str(edited["quantity"])})
    return edited


def _put(world: World, invoice: Obj, edited: list[Obj]) -> Obj:
    new = {line["id"]: line for line in edited}
    return invoice_items.save_lines(world, invoice, [new.get(line["id"], line) for line in invoice_lines.read(invoice)])


def _discount(world: World, invoice: Obj, given: Params) -> list[str]:
    asked = discounts.read_asked(world, given.get("discounts") or (), customer=invoice["customer"])
    place = {"customer": invoice["customer"], "invoice": invoice["id"]}
    return [discounts.create(world, one.coupon, promotion_code=one.promotion_code, **place)["id"] for one in asked]


def _find_draft(world: World, id: str) -> Obj:
    invoice = world.get("invoice", id)
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is no longer editable: its lines can be changed while it is a draft.",
            code="invoice_not_editable",
        )
    return invoice


def _note_metadata(invoice: Obj, params: Params) -> None:
    if "invoice_metadata" in params:
        invoice["metadata"] = merge_metadata(invoice["metadata"], params["invoice_metadata"])
