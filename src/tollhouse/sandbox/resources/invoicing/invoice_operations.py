"""Invoices by request. Source: docs.stripe.com/api/invoices."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, in_range, read_page
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.billing import unsimulated
from tollhouse.sandbox.resources.catalogue import discounts, price_terms
from tollhouse.sandbox.resources.invoicing import invoice_items, invoice_lines
from tollhouse.sandbox.resources.invoicing.invoice_drafts import draft, plan_finalization, read_automatic_tax, recompute
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/v1/invoices"
PLAIN: Final = (
    "account_tax_ids", "custom_fields", "default_payment_method", "default_source", "description", "due_date",
    "effective_at", "footer", "number", "shipping_details", "statement_descriptor",
)  # fmt: skip
OPEN_TOO: Final = {"metadata", "description", "footer", "auto_advance", "default_payment_method", "expand", "due_date"}
EARLIER: Final = ("billing", "coupon", "tax_percent")

readable("invoice", PATH, listed=False)


@operation("POST", PATH, earlier=EARLIER)
def create(world: World, params: Params, /) -> Obj:
    """Draft an invoice for a customer, with what waits for it if asked to, or of a subscription."""
    subscription = None
    if params.get("subscription"):
        subscription = world.get("subscription", params["subscription"], param="subscription")
    id = params.get("customer") or part(subscription).get("customer")
    if not id:
        raise parameter_missing("customer")
    customer = world.get("customer", id, param="customer")
    with world.within(customer):
        currency = params.get("currency") or part(subscription).get("currency") or customer["currency"] or "usd"
        currency = price_terms.read_currency(currency)
        waiting = _find_waiting(world, params, customer, currency, subscription)
        lines = [invoice_lines.of_invoice_item(world, each) for each in waiting]
        fields = _read_fields(world, params, customer) | _read_dates(params, customer)
        fields["id"] = world.ids.of("invoice")
        fields["discounts"] = _read_discounts(world, params, customer, fields["id"])
        invoice = draft(world, customer, lines, reason="manual", currency=currency, **_of(subscription), **fields)
        invoice_items.bill(world, waiting, invoice)
        invoice[HIDDEN]["days_until_due"] = params.get("days_until_due")
        return world.save(invoice)


@operation("POST", PATH + "/{id}", earlier=EARLIER)
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a draft, or the few fields that can be changed later."""
    invoice = world.get("invoice", id)
    if invoice["status"] != "draft" and set(params) - OPEN_TOO:
        raise invalid(
            "Finalized invoices can't be updated in this way.",
            sorted(set(params) - OPEN_TOO)[0],
            "invoice_not_editable",
        )
    with world.within(invoice):
        customer = world.get("customer", invoice["customer"], param="customer")
        changes = _read_fields(world, params, customer)
        if "metadata" in params:
            changes["metadata"] = merge_metadata(invoice["metadata"], params["metadata"])
        if "days_until_due" in params:
            invoice[HIDDEN]["days_until_due"] = params["days_until_due"]
        if "discounts" in params:
            changes["discounts"] = _read_discounts(world, params, customer, id)
        before = {name: invoice[name] for name in ("total", "amount_due", "total_discount_amounts")}
        invoice = world.change(invoice, changes, "invoice.updated")
        if invoice["status"] != "draft":
            return invoice
        invoice = world.save(recompute(world, invoice))
        if before["total"] != invoice["total"]:
            world.emit("invoice.updated", invoice, previous={name: before[name] for name in before})
        return plan_finalization(world, invoice)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List invoices, by customer, subscription, status and dates."""
    names = ("customer", "status", "collection_method", "subscription")  # the last one is looked up by its hidden field
    equal = {name: params[name] for name in names if name in params}
    if "due_date" not in params:
        return read_page(world, "invoice", params, PATH, **equal)

    def fits(obj: Obj) -> bool:
        return obj["due_date"] is not None and in_range(obj["due_date"], params["due_date"])

    return read_page(world, "invoice", params, PATH, where=fits, **equal)


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search invoices."""
    return search(world, "invoice", params, PATH + "/search")


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a draft that bills no subscription; what lay on it waits again."""
    invoice = world.get("invoice", id)
    if invoice["status"] != "draft":
        raise invalid("You can only delete draft invoices.", code="invoice_not_editable")
    if invoice["billing_reason"] != "manual":
        raise invalid("Invoices of subscriptions cannot be deleted; void them once they are finalized.")
    for each in world.every("invoiceitem", invoice=id):
        world.change(each, {"invoice": None})
    world.cancel("invoice.finalize", invoice)
    return world.remove(invoice, "invoice.deleted")


def _find_waiting(world: World, params: Params, customer: Obj, currency: str, subscription: Obj | None) -> list[Obj]:
    """Return the pending items to draw in. Raises `StripeError` 400 when some were asked for and none wait."""
    behavior = params.get("pending_invoice_items_behavior", "exclude" if subscription is None else "include")
    if behavior == "exclude":
        return []
    owner = None if subscription is None else subscription["id"]
    waiting = invoice_items.pending(world, customer["id"], currency, owner)
    if subscription is not None and not waiting:
        raise invalid("Nothing to invoice for subscription", "subscription", "invoice_no_subscription_line_items")
    if not waiting:
        raise invalid("Nothing to invoice for customer", "customer", "invoice_no_customer_line_items")
    return waiting


def _of(subscription: Obj | None) -> Obj:
    if subscription is None:
        return {}
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    parent = {"quote_details": None, "subscription_details": details, "type": "subscription_details"}
    return {"parent": parent, "hidden": {"subscription": subscription["id"]}}


def _read_fields(world: World, params: Params, customer: Obj) -> Obj:
    """Return what a request sets of an invoice, but for its dates, discounts and lines."""
    unsimulated.refuse(params)
    fields: Obj = {name: params[name] or None for name in PLAIN if name in params}
    if fields.get("default_payment_method"):
        method = world.get("payment_method", fields["default_payment_method"], param="default_payment_method")
        if method["customer"] != customer["id"]:
            raise invalid("The payment method must be attached to the customer.", "default_payment_method")
    for name in ("auto_advance", "collection_method", "automatically_finalizes_at"):
        if name in params:
            fields[name] = params[name]
    if "automatic_tax" in params:
        fields["automatic_tax"] = read_automatic_tax(params["automatic_tax"])
    if "payment_settings" in params:
        empty = {"default_mandate": None, "payment_method_options": None, "payment_method_types": None}
        fields["payment_settings"] = empty | {key: value or None for key, value in params["payment_settings"].items()}
    if "rendering" in params:
        empty = {"amount_tax_display": None, "pdf": None, "template": None, "template_version": None}
        fields["rendering"] = empty | {key: value or None for key, value in params["rendering"].items()}
    return fields


def _read_dates(params: Params, customer: Obj) -> Obj:
    """Return a new invoice's metadata. Raises `StripeError` 400 when it is to be sent and cannot be."""
    if params.get("collection_method") == "send_invoice":
        if "days_until_due" not in params and "due_date" not in params:
            raise invalid(
                "If invoice's collection_method is 'send_invoice', you must specify days_until_due or due_date.",
                "days_until_due",
            )
        if not customer["email"]:
            raise invalid(
                "Missing email. In order to create invoices that are sent to the customer, the customer must have a"
                " valid email."
            )
    elif "days_until_due" in params or "due_date" in params:
        name = "days_until_due" if "days_until_due" in params else "due_date"
        raise invalid(f"You can only set `{name}` when `collection_method` is `send_invoice`.", name)
    return {"metadata": merge_metadata(None, params.get("metadata", {}))}


def _read_discounts(world: World, params: Params, customer: Obj, invoice: str) -> list[str]:
    """Return the ids of an invoice's discounts: those asked for, or else the customer's own."""
    if "discounts" not in params and not params.get("coupon"):
        own: Obj | None = customer.get("discount")
        return [own["id"]] if own is not None and discounts.is_running(own, world.now()) else []
    if params.get("coupon"):
        asked = [discounts.read_coupon(world, params["coupon"])]
    else:
        asked = discounts.read_asked(world, params["discounts"] or (), customer=customer["id"])
    return [
        discounts.create(
            world, one.coupon, customer=customer["id"], invoice=invoice, promotion_code=one.promotion_code
        )["id"]
        for one in asked
    ]
