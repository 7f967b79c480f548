"""Invoices to come: the change that leads to one is made, the invoice is kept, and all is undone.

Source: docs.stripe.com/api/invoices/create_preview. What a preview tells is therefore what would happen.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.resources.billing import proration, unsimulated
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_changes as changes_of
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_starts as starts
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.billing import subscription_terms as terms
from tollhouse.sandbox.resources.billing.subscription_cycles import renew
from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.resources.invoicing import invoice_items, invoice_lines, invoice_terms
from tollhouse.sandbox.resources.invoicing.invoice_drafts import FINALIZES_AFTER_SECONDS, draft, read_automatic_tax
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/v1/invoices/create_preview"
CHANGED: Final = ("items", "trial_end", "proration_behavior", "proration_date", "billing_cycle_anchor")
UNDONE: Final = (
    "number", "effective_at", "ending_balance", "hosted_invoice_url", "invoice_pdf", "automatically_finalizes_at",
    "webhooks_delivered_at", "due_date",
)  # fmt: skip


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Return the invoice that would come: of a subscription, of one that is not there yet, or of what waits."""
    unsimulated.refuse(params)
    details = part(params.get("subscription_details"))
    with rehearse(world):
        if params.get("subscription"):
            return _preview_change(
                world, world.get("subscription", params["subscription"], param="subscription"), params
            )
        customer = _find_customer(world, params)
        if details.get("items"):
            return _preview_start(world, customer, params)
        own = [
            each for each in world.every("subscription", customer=customer["id"]) if each["status"] in states.RENEWED
        ]
        if own and not params.get("invoice_items"):
            return _preview_change(world, min(own, key=lambda each: items_of.period_of(each)[1]), params)
        return _preview_waiting(world, customer, params)


def of_renewal(world: World, subscription: Obj) -> Obj:
    """Return the invoice of a subscription's next period, as it would be now."""
    with rehearse(world):
        return as_preview(world, _renew(world, subscription))


@contextmanager
def rehearse(world: World) -> Generator[None]:
    """Undo what is done inside, and tell nobody of it."""
    withholds = world.withholds_event
    world.withholds_event = lambda _type: True
    world.store.execute("SAVEPOINT rehearsal")
    try:
        yield
    finally:
        world.store.execute("ROLLBACK TO rehearsal")
        world.store.execute("RELEASE rehearsal")
        world.withholds_event = withholds


def as_preview(world: World, invoice: Obj) -> Obj:
    """Return a draft as what may come: with an id that names nothing, and without what it would get later."""
    id = "upcoming_in_" + world.ids.text(24)
    lines = [{**line, "id": f"il_tmp_{world.ids.text(24)}", "invoice": id} for line in invoice_lines.read(invoice)]
    due = invoice["total"] + invoice["starting_balance"]
    preview: Obj = {**invoice, "id": id, "status": "draft", "billing_reason": "upcoming", "auto_advance": True}
    preview |= {**dict.fromkeys(UNDONE), "ending_balance": min(0, due), "attempted": False, "attempt_count": 0}
    preview |= {"amount_due": max(0, due), "amount_remaining": max(0, due), "amount_paid": 0}
    preview["status_transitions"] = dict.fromkeys(invoice["status_transitions"])
    is_charged = invoice["collection_method"] == "charge_automatically"
    preview["next_payment_attempt"] = invoice["created"] + FINALIZES_AFTER_SECONDS if is_charged else None
    preview[HIDDEN] = {"lines": [], "subscription": invoice[HIDDEN].get("subscription")}
    invoice_lines.write(preview, lines)
    preview["lines"]["data"] = lines
    preview["lines"]["has_more"] = False
    return preview


def _preview_change(world: World, subscription: Obj, params: Params) -> Obj:
    """Return the next invoice of a subscription, after what the request says of it."""
    with world.within(subscription):
        if subscription["status"] not in states.RENEWED:
            raise _none(subscription["customer"])
        customer = world.get("customer", subscription["customer"], param="customer")
        _add_items(world, customer, params, subscription)
        subscription = _discount(world, subscription, customer, params)
        details = part(params.get("subscription_details"))
        if details.get("cancel_now") or details.get("cancel_at"):
            return _preview_end(world, subscription, details)
        given = {name: details[name] for name in CHANGED if name in details}
        if params.get("preview_mode") == "recurring":
            given["proration_behavior"] = "none"
        change = changes_of.read_change(world, subscription, given)
        if change is not None:
            invoice, due = changes_of.draw_up(world, subscription, change)
            subscription = changes_of.write(world, subscription, change, due)
            if invoice is not None:
                return as_preview(world, invoice)
        if subscription["cancel_at_period_end"] or details.get("cancel_at_period_end"):
            raise _none(subscription["customer"])
        return as_preview(world, _renew(world, subscription))


def _preview_end(world: World, subscription: Obj, details: Params) -> Obj:
    """Return the last invoice of a subscription that would be canceled now."""
    if details.get("proration_behavior") != "none":
        proration.credit_all(world, subscription, details.get("proration_date") or world.now())
    period = items_of.period_of(subscription)
    invoice, _ = billing.bill(world, subscription, [], reason="subscription_update", period=period)
    if not invoice_lines.read(invoice):
        raise _none(subscription["customer"])
    return as_preview(world, invoice)


def _preview_start(world: World, customer: Obj, params: Params) -> Obj:
    """Return the first invoice of a subscription that would be created now."""
    details = params["subscription_details"]
    items = [
        terms.read_item(world, each, f"subscription_details[items][{at}]") for at, each in enumerate(details["items"])
    ]
    with world.within(customer):
        _add_items(world, customer, params, None)
        anchor = part(details.get("billing_cycle_anchor")).get("timestamp")
        subscription = starts.start(
            world,
            customer,
            items,
            trial_end=terms.read_trial_end(details.get("trial_end"), world.now()),
            payment_behavior="default_incomplete",
            discounts=discounts.read_asked(world, params.get("discounts") or (), customer=customer["id"]),
            currency=params.get("currency"),
            automatic_tax=read_automatic_tax(params.get("automatic_tax")),
            **({"billing_cycle_anchor": anchor} if anchor else {}),
        )
        return as_preview(world, world.get("invoice", subscription["latest_invoice"]))


def _preview_waiting(world: World, customer: Obj, params: Params) -> Obj:
    """Return the invoice of what waits for a customer's next one."""
    with world.within(customer):
        _add_items(world, customer, params, None)
        waiting = world.every("invoiceitem", customer=customer["id"], invoice=None)
        if not waiting:
            raise _none(customer["id"])
        currency = params.get("currency") or waiting[0]["currency"]
        lines = [
            invoice_lines.of_invoice_item(world, each)
            for each in invoice_items.pending(world, customer["id"], currency)
        ]
        asked = discounts.read_asked(world, params.get("discounts") or (), customer=customer["id"])
        made = [discounts.create(world, one.coupon, customer=customer["id"])["id"] for one in asked]
        return as_preview(world, draft(world, customer, lines, reason="manual", currency=currency, discounts=made))


def _renew(world: World, subscription: Obj) -> Obj:
    with world.at(items_of.period_of(subscription)[1], test_clock=subscription["test_clock"] or ""):
        return renew(world, subscription)


def _find_customer(world: World, params: Params) -> Obj:
    """Return the customer, or a passing one of the details given."""
    if params.get("customer"):
        return world.get("customer", params["customer"], param="customer")
    given = part(params.get("customer_details"))
    customer = world.new("customer", balance=0, invoice_prefix="PREVIEW", next_invoice_sequence=1, tax_exempt="none")
    customer |= {name: given[name] or None for name in ("address", "shipping") if name in given}
    return world.save(customer | {HIDDEN: {}})


def _add_items(world: World, customer: Obj, params: Params, subscription: Obj | None) -> None:
    """Let the request's own items wait for the invoice."""
    usual = part(subscription).get("currency") or params.get("currency") or customer["currency"] or "usd"
    for each in params.get("invoice_items") or ():
        read = invoice_terms.read(world, each, each.get("currency") or usual)
        parent = invoice_items.parent_of(None if subscription is None else subscription["id"])
        period = invoice_items.read_period(world, each)
        invoice_items.add(world, customer, read, period, parent=parent, discountable=each.get("discountable", True))


def _discount(world: World, subscription: Obj, customer: Obj, params: Params) -> Obj:
    if "discounts" not in params:
        return subscription
    asked = discounts.read_asked(world, params["discounts"] or (), customer=customer["id"])
    made = [discounts.create(world, one.coupon, subscription=subscription["id"])["id"] for one in asked]
    return world.change(subscription, {"discounts": made})


def _none(customer: str) -> StripeError:
    return StripeError(f"No upcoming invoices for customer: {customer}", status=404, code="invoice_upcoming_none")
