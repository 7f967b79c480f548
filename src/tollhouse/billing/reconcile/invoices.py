"""Paid invoices against payments."""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import quote

from tollhouse.billing import invoices, refresh
from tollhouse.billing.facts import InvoiceFacts
from tollhouse.billing.readers import read_invoice
from tollhouse.billing.reconcile.differences import AMOUNT_DIFFERS, PAYMENT_MISSING, Difference
from tollhouse.billing.reconcile.rereading import read_again
from tollhouse.billing.reconcile.run import Run
from tollhouse.billing.reconcile.sessions import PAYMENT

PATH: Final = "/v1/invoices"


async def compare_invoices(run: Run) -> None:
    """Compare every paid invoice of the window with what was written down for it."""
    async for raw in run.listed(PATH, status="paid"):
        invoice = run.read(raw, read_invoice)
        if invoice is not None:
            await compare_invoice(run, invoice)


async def compare_invoice(run: Run, invoice: InvoiceFacts) -> None:
    """Compare one invoice, if it is paid and about a subscription."""
    if invoice.status == "paid" and invoice.subscription_id is not None and not run.has_seen(invoice.id):
        run.see(invoice.id)
        again = partial(run.again, f"{PATH}/{quote(invoice.id, safe='')}", read_invoice)
        await run.compare(invoice, partial(_look, run), partial(read_again, run, refresh.INVOICE), again)


async def _look(run: Run, invoice: InvoiceFacts) -> Difference | None:
    db = run.till.run.db
    recorded = await db.fetch_one(PAYMENT, payment_id=invoice.id)
    if recorded is None:
        user_id = await db.transact(invoices.find_user, run.till, invoice)
        if user_id is None:
            return None  # not one of ours
        detail = f"Stripe was paid for subscription {invoice.subscription_id}, but no payment is written down."
        return Difference(PAYMENT_MISSING, invoice.id, user_id, detail, is_repairable=True)
    if recorded.amount_minor != invoice.amount_paid_minor:
        detail = (
            f"Stripe was paid {invoice.amount_paid_minor} {invoice.currency}, "
            f"but {recorded.amount_minor} {recorded.currency} are written down."
        )
        return Difference(AMOUNT_DIFFERS, invoice.id, recorded.user_id, detail)
    return None
