"""Invoices: the subscription, the payment and the prices have moved more than once between Stripe's API versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollhouse.billing.facts import InvoiceFacts, InvoiceLine
from tollhouse.billing.reading import PURCHASE_KEY, Raw


def read_invoice(raw: Mapping[str, Any]) -> InvoiceFacts:
    """Return an invoice, with the lines that came with it."""
    invoice = Raw.of("invoice", raw)
    lines = invoice.object("lines")
    raw_lines = lines.objects("data")
    transitions = invoice.object_or_none("status_transitions")
    return InvoiceFacts(
        id=invoice.id("id"),
        status=_status(invoice),
        customer_id=invoice.id("customer"),
        subscription_id=_subscription_id(invoice),
        billing_reason=invoice.id_or_none("billing_reason"),
        amount_paid_minor=invoice.amount("amount_paid"),
        currency=invoice.id("currency"),
        payment_intent_id=_payment_intent_id(invoice),
        lines=tuple(line for each in raw_lines if (line := read_line(each.value)) is not None),
        has_more_lines=lines.flag_or_none("has_more") or False,
        purchase_id=_purchase_id(invoice, raw_lines),
        created_at=_created_at(invoice),
        paid_at=transitions.time_or_none("paid_at") if transitions is not None else None,
        hosted_url=invoice.text_or_none("hosted_invoice_url"),
        number=invoice.id_or_none("number"),
        total_minor=invoice.number_or_none("total"),
    )


def read_line(raw: Mapping[str, Any]) -> InvoiceLine | None:
    """Return a line of an invoice, or None for one that belongs to no subscription."""
    line = Raw.of("invoice.line", raw)
    details = _line_details(line)
    if details.id_or_none("subscription") is None and line.id_or_none("subscription") is None:
        return None
    period = line.object("period")
    return InvoiceLine(
        stripe_price_id=_price_id(line),
        quantity=0 if "quantity" in line.value and line.value["quantity"] is None else line.amount("quantity"),
        amount_minor=line.number("amount"),
        is_proration=(details if "proration" in details.value else line).flag("proration"),
        period_start=period.time("start"),
        period_end=period.time("end"),
    )


def _line_details(line: Raw) -> Raw:
    """Return what tells where a line comes from: since 2025-03-31 (basil) a part of it, before that itself."""
    parent = line.object_or_none("parent")
    details = parent.object_or_none(parent.id("type")) if parent is not None else None
    return details or line


def _price_id(line: Raw) -> str | None:
    """Return the price: `pricing` since 2025-03-31 (basil), `price` since 2020, `plan` before."""
    details = line.within("pricing", "price_details")
    if details is not None:
        return details.id("price")
    return line.id_or_none("price") or line.id_or_none("plan")


def _status(invoice: Raw) -> str:
    """Return the status; invoices had none before 2018, but said whether they were paid."""
    if invoice.value.get("status") is None and invoice.value.get("paid") is True:
        return "paid"
    return invoice.id("status")


def _subscription_id(invoice: Raw) -> str | None:
    details = invoice.within("parent", "subscription_details")
    return (details.id_or_none("subscription") if details is not None else None) or invoice.id_or_none("subscription")


def _payment_intent_id(invoice: Raw) -> str | None:
    """Return what paid it: a field until 2025-03-31 (basil), a list of payments since, where that was asked for."""
    payments = invoice.within("payments")
    if payments is None:
        return invoice.id_or_none("payment_intent")
    paid = [each for each in payments.objects("data") if each.value.get("status") == "paid"]
    paid.sort(key=lambda each: each.value.get("is_default") is not True)
    found = [each.object("payment").id_or_none("payment_intent") for each in paid]
    return next(filter(None, found), None)


def _purchase_id(invoice: Raw, lines: list[Raw]) -> str | None:
    """Return our id from the subscription's metadata, which old versions repeat on the lines alone."""
    parents = (invoice.within("parent", "subscription_details"), invoice.object_or_none("subscription_details"))
    found = [each.metadata(PURCHASE_KEY) for each in (*parents, *lines) if each is not None]
    return next(filter(None, found), None)


def _created_at(invoice: Raw) -> int:
    """Return when it was made; in 2017 the field was called `date`."""
    return invoice.time("date" if invoice.value.get("created") is None and "date" in invoice.value else "created")
