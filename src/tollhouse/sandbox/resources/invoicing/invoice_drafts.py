"""Invoices as they are drawn up, until they are finalized. Source: docs.stripe.com/invoicing/integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tollhouse.sandbox.resources.invoicing import invoice_lines, invoice_totals
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

FINALIZES_AFTER_SECONDS: Final = 3_600
FINALIZED_LATER: Final = ("subscription_cycle", "manual")  # what another reason draws up is finalized at once
ACCOUNT_NAME: Final = "Tollhouse sandbox"
COPIED: Final = ("address", "email", "name", "phone", "shipping", "tax_exempt")  # from the customer


def draft(
    world: World,
    customer: Obj,
    lines: Sequence[Obj],
    *,
    reason: str,
    currency: str,
    hidden: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Obj:
    """Return a new draft of these lines, told of as `invoice.created`.

    `reason` is its `billing_reason`; `fields` override what it takes from its customer; `hidden` is kept in `_`:
    `subscription`, `days_until_due`, and `intent` for what its payment intent is to hide.
    """
    now = world.now_for(customer)
    invoice = world.new("invoice", test_clock=customer.get("test_clock"), customer=customer["id"], currency=currency)
    invoice |= {"status": "draft", "billing_reason": reason, "period_start": now, "period_end": now, "created": now}
    invoice |= {"issuer": {"type": "self"}, "account_country": "US", "account_name": ACCOUNT_NAME}
    invoice |= {"auto_advance": False, "collection_method": "charge_automatically", "metadata": {}}
    invoice |= {f"customer_{name}": customer.get(name) for name in COPIED}
    invoice["customer_tax_ids"] = _tax_ids(world, customer)
    invoice |= fields
    invoice["automatic_tax"] = read_automatic_tax(invoice.get("automatic_tax"))
    invoice[HIDDEN] = {"lines": [], **part(hidden)}
    recompute(world, invoice, lines)
    world.save(invoice)
    if reason in FINALIZED_LATER:
        invoice = plan_finalization(world, invoice)
    world.emit("invoice.created", invoice)
    return plan_finalization(world, invoice)


def recompute(world: World, invoice: Obj, lines: Sequence[Obj] | None = None) -> Obj:
    """Give an invoice lines, or leave it those it has, and work out what they come to; it is not saved."""
    lines = invoice_lines.read(invoice) if lines is None else lines
    customer = part(world.find("customer", invoice["customer"]))
    invoice |= invoice_totals.compute(world, invoice, lines, balance=read_balance(customer, invoice["currency"]))
    invoice_lines.write(invoice, lines)
    return invoice


def plan_finalization(world: World, invoice: Obj) -> Obj:
    """Let a draft that advances by itself be finalized an hour later."""
    if not invoice["auto_advance"]:
        world.cancel("invoice.finalize", invoice)
        return world.change(invoice, {"automatically_finalizes_at": None, "next_payment_attempt": None})
    due = invoice["automatically_finalizes_at"] or world.now_for(invoice) + FINALIZES_AFTER_SECONDS
    world.schedule("invoice.finalize", invoice, due)
    is_charged = invoice["collection_method"] == "charge_automatically"
    return world.change(
        invoice, {"automatically_finalizes_at": due, "next_payment_attempt": due if is_charged else None}
    )


def read_balance(customer: Obj, currency: str) -> int:
    """Return the balance a customer has in a currency: negative for credit, zero in any but the customer's own."""
    return 0 if customer.get("currency") not in {None, currency} else customer.get("balance") or 0


def read_automatic_tax(given: Obj | None) -> Obj:
    """Return the state of automatic tax: complete as soon as it is asked for, since the sandbox knows no taxes."""
    is_on = bool(given and given.get("enabled"))
    tax: Obj = {"disabled_reason": None, "enabled": is_on, "liability": {"type": "self"} if is_on else None}
    return tax | {"provider": "stripe" if is_on else None, "status": "complete" if is_on else None}


def _tax_ids(world: World, customer: Obj) -> list[Obj]:
    return [{"type": each["type"], "value": each["value"]} for each in world.every("tax_id", customer=customer["id"])]
