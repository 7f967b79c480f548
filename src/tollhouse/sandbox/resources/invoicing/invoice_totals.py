"""What an invoice comes to: discounts shared out over its lines, and the customer's balance.

Source: docs.stripe.com/billing/subscriptions/coupons and docs.stripe.com/billing/customer/balance. No tax is computed:
with `automatic_tax` an invoice says that it is complete and comes to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tollhouse.sandbox.resources.catalogue import discounts
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, part

SMALLEST_CHARGES: Final = {
    "usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "nzd": 50, "sgd": 50, "brl": 50, "jpy": 50,
    "sek": 300, "nok": 300, "dkk": 250, "hkd": 400, "mxn": 1000, "pln": 200, "czk": 1500, "huf": 17500, "ron": 200,
}  # fmt: skip
# What a charge is at least, in minor units. Source: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.


def compute(world: World, invoice: Obj, lines: Sequence[Obj], *, balance: int) -> Obj:
    """Return the invoice's amounts, with each line's discounts written into the lines; `balance` is the customer's."""
    currency: str = invoice["currency"]
    left = {line["id"]: line["amount"] for line in lines}
    for line in lines:
        line["discount_amounts"] = []
        for id in line["discounts"]:
            _take_off(world, id, [line], left, currency)
    subtotal = sum(left.values())
    for id in invoice["discounts"]:
        _take_off(world, id, lines, left, currency)
    for line in lines:
        line["pretax_credit_amounts"] = [{**each, "type": "discount"} for each in line["discount_amounts"]]
    total = sum(left.values())
    total_discounts = _add_up(lines)
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_discount_amounts": total_discounts,
        "total_pretax_credit_amounts": [{**each, "type": "discount"} for each in total_discounts],
        **owe(total, balance),
    }


def owe(total: int, balance: int) -> Obj:
    """Return what is due when a balance (negative: the customer's credit) is set against a total."""
    due = max(0, total + balance)
    return {"starting_balance": balance, "amount_due": due, "amount_remaining": due}


def settle(invoice: Obj) -> list[tuple[str, int]]:
    """Return what an invoice that is finalized does to its customer's balance: types of transactions, and amounts.

    What is too little to be charged is owed on the next invoice, as far as there is no credit to pay it.
    """
    starting: int = invoice["starting_balance"]
    owed: int = invoice["total"] + starting
    if owed <= 0 or is_chargeable(owed, invoice["currency"]):
        return [("applied_to_invoice", min(0, owed) - starting)]
    credit = min(0, starting)
    return [("applied_to_invoice", -credit), ("invoice_too_small", owed - (starting - credit))]


def is_chargeable(amount: int, currency: str) -> bool:
    """Say whether an amount is large enough to be charged."""
    return amount >= SMALLEST_CHARGES.get(currency, 1)


def net_amount(line: Obj) -> int:
    """Return what a line comes to after its discounts."""
    return line["amount"] - sum(each["amount"] for each in line["discount_amounts"])


def _take_off(world: World, id: str, lines: Sequence[Obj], left: dict[str, int], currency: str) -> None:
    """Take a discount off the lines it is good for: in proportion, and what rounding leaves off the largest."""
    discount = world.get("discount", id, param="discounts")
    coupon = discounts.find_coupon(discount)
    open_lines = [
        line
        for line in lines
        if line["discountable"] and left[line["id"]] > 0 and discounts.applies_to(coupon, product_of(line))
    ]
    whole = sum(left[line["id"]] for line in open_lines)
    off = min(whole, discounts.amount_off(coupon, whole, currency))
    if off <= 0:
        return
    parts = {line["id"]: off * left[line["id"]] // whole for line in open_lines}
    largest = max(open_lines, key=lambda line: left[line["id"]])
    parts[largest["id"]] += off - sum(parts.values())
    for line in open_lines:
        line["discount_amounts"].append({"amount": parts[line["id"]], "discount": id})
        left[line["id"]] -= parts[line["id"]]


def product_of(line: Obj) -> str:
    """Return the id of the product that a line sells, or an empty string."""
    details = part(part(line.get("pricing")).get("price_details"))
    product: str = details.get("product") or ""
    return product


def _add_up(lines: Sequence[Obj]) -> list[Obj]:
    sums: dict[str, int] = {}
    for line in lines:
        for each in line["discount_amounts"]:
            sums[each["discount"]] = sums.get(each["discount"], 0) + each["amount"]
    return [{"amount": amount, "discount": id} for id, amount in sums.items()]
