"""What a subscription's item was debited, and how much of it can still be given back.

A debit is a line of an invoice that is not void, or a proration that waits for its invoice.
Source: docs.stripe.com/billing/subscriptions/billing-mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tollhouse.sandbox.resources.invoicing import invoice_lines, invoice_totals
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part


@dataclass(frozen=True, slots=True)
class Debit:
    """An amount, in minor units and after discounts, for a period."""

    id: str  # of the invoice item it was made of, or else of its line
    amount: int
    start: int
    end: int
    kept_until: int  # what it paid for behind this time was given back already
    billed: Obj  # the invoice item while it waits, or else the line

    @property
    def is_invoiced(self) -> bool:
        """Say whether it lies on an invoice."""
        return self.billed["object"] == "line_item"

    def share(self, time: int) -> int:
        """Return what it paid for from a time on, as far as that was not given back, to the nearest minor unit."""
        left = self.kept_until - max(time, self.start)
        return invoice_lines.divide(self.amount * left, self.end - self.start) if left > 0 else 0


def read(world: World, customer: str, item: Obj) -> list[Debit]:
    """Return what an item was debited, the oldest first."""
    given_back = _read_credits(world, customer)
    made: list[Debit] = []
    for id, amount, billed in [*_invoiced(world, customer, item), *_waiting(world, customer, item)]:
        start, end = billed["period"]["start"], billed["period"]["end"]
        if amount > 0 and start < end:
            made.append(Debit(id, amount, start, end, min(end, given_back.get(id, end)), billed))
    return made


def _invoiced(world: World, customer: str, item: Obj) -> Iterator[tuple[str, int, Obj]]:
    for invoice in reversed(world.every("invoice", customer=customer)):
        if invoice["status"] == "void":
            continue
        for line in invoice_lines.read(invoice):
            details = part(part(line["parent"]).get("subscription_item_details"))
            if details.get("subscription_item") == item["id"]:
                yield details.get("invoice_item") or line["id"], invoice_totals.net_amount(line), line


def _waiting(world: World, customer: str, item: Obj) -> Iterator[tuple[str, int, Obj]]:
    for each in reversed(world.every("invoiceitem", customer=customer, invoice=None)):
        owner = part(part(each["parent"]).get("subscription_details"))
        if owner.get("subscription_item") == item["id"]:
            yield each["id"], each["amount"], each


def _read_credits(world: World, customer: str) -> dict[str, int]:
    """Return since when debits were given back, by their ids."""
    since: dict[str, int] = {}
    for each in world.every("invoiceitem", customer=customer):
        repays: Obj = part(each[HIDDEN].get("repays"))
        invoice = part(world.find("invoice", each["invoice"]))
        if repays and invoice.get("status") != "void":
            for id in repays["debits"]:
                since[id] = min(repays["since"], since.get(id, repays["since"]))
    return since


def note(repaid: Sequence[Debit], since: int) -> Obj:
    """Return what an invoice item hides that gives debits back from a time on."""
    return {"repays": {"debits": [each.id for each in repaid], "since": since}}
