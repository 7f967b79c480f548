"""What a change within a period gives back and asks for, by the second.

In the flexible billing mode every debit is given back as far as it was not used, whatever the price is now; in the
classic one the price there is decides where it was changed without proration. Quotients are rounded to the nearest
minor unit, halves away from zero.
Source: docs.stripe.com/billing/subscriptions/prorations and docs.stripe.com/billing/subscriptions/billing-mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tollhouse.sandbox.resources.billing import debits
from tollhouse.sandbox.resources.billing import subscription_billing as billing
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing.billing_cycles import say_date
from tollhouse.sandbox.resources.catalogue import discounts, price_terms
from tollhouse.sandbox.resources.invoicing import invoice_items, invoice_lines, invoice_totals
from tollhouse.sandbox.resources.invoicing.invoice_terms import Terms
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, part


def credit_all(world: World, subscription: Obj, time: int) -> list[Obj]:
    """Let the credits for all items' unused time wait for the next invoice."""
    return [made for item in items_of.read(subscription) for made in credit(world, subscription, item, time)]


def credit(world: World, subscription: Obj, item: Obj, time: int) -> list[Obj]:
    """Let the credits for an item's unused time wait for the next invoice."""
    if subscription["status"] == "trialing":
        return []
    owed = debits.read(world, subscription["customer"], item)
    if subscription["billing_mode"]["type"] == "flexible":
        made = [_repay(world, subscription, item, each, time) for each in owed]
    else:
        made = [_credit_as_it_is(world, subscription, item, owed, time)]
    return [each for each in made if each is not None]


def debit(world: World, subscription: Obj, item: Obj, time: int) -> Obj | None:
    """Let the charge for an item's remaining time wait for the next invoice; None when there is none."""
    start, end = item["current_period_start"], item["current_period_end"]
    if time >= end or subscription["status"] == "trialing":
        return None
    amount = invoice_lines.divide(_price_of(world, subscription, item) * (end - time), end - start)
    words = f"Remaining time on {_name(world, item['price'], item.get('quantity', 1))} after {say_date(time)}"
    priced = invoice_lines.pricing_of(item["price"], subscription["currency"])
    terms = Terms(subscription["currency"], amount, priced, item.get("quantity", 1), words)
    return _add(world, subscription, item, terms, (time, end), {})


def prorate(world: World, subscription: Obj, old: Sequence[Obj], new: Sequence[Obj], time: int) -> list[Obj]:
    """Let the credits and charges wait that lead from the old items to the new ones."""
    before = {item["id"]: item for item in old}
    after = {item["id"]: item for item in new}
    made: list[Obj | None] = []
    for id in [*before, *(id for id in after if id not in before)]:
        one, other = before.get(id), after.get(id)
        if one is not None and other is not None and is_same(one, other):
            continue
        if one is not None:
            made += credit(world, subscription, one, time)
        if other is not None:
            made.append(debit(world, subscription, other, time))
    return [each for each in made if each is not None]


def is_same(one: Obj, other: Obj) -> bool:
    """Say whether two items bill the same."""
    return one["price"]["id"] == other["price"]["id"] and one.get("quantity") == other.get("quantity")


def _repay(world: World, subscription: Obj, item: Obj, owed: debits.Debit, time: int) -> Obj | None:
    """Give a debit back from a time on."""
    since = max(time, owed.start)
    billed = owed.billed
    quantity = billed["quantity"] or 1
    words = f"Unused time on {_name(world, billed['pricing']['price_details'], quantity)} after {say_date(since)}"
    terms = Terms(subscription["currency"], -owed.share(time), billed["pricing"], quantity, words)
    hidden = debits.note([owed], since) | _name_credited(billed if owed.is_invoiced else None)
    return _add(world, subscription, item, terms, (since, owed.kept_until), hidden)


def _credit_as_it_is(world: World, subscription: Obj, item: Obj, owed: Sequence[debits.Debit], time: int) -> Obj | None:
    """Give back what the item costs as it is now, or what was paid for it if it was billed like that."""
    start, end = item["current_period_start"], item["current_period_end"]
    if time >= end:
        return None
    line = _find_line(world, item)
    whole = _price_of(world, subscription, item) if line is None else invoice_totals.net_amount(line)
    from_start = max(start, line["period"]["start"]) if line is not None else start
    amount = invoice_lines.divide(whole * (end - max(time, from_start)), end - from_start)
    quantity = item.get("quantity", 1)
    words = f"Unused time on {_name(world, item['price'], quantity)} after {say_date(time)}"
    priced = invoice_lines.pricing_of(item["price"], subscription["currency"])
    terms = Terms(subscription["currency"], -amount, priced, quantity, words)
    hidden = debits.note(owed, time) | _name_credited(line)  # for a mode that may be flexible later
    return _add(world, subscription, item, terms, (time, end), hidden)


def _name_credited(line: Obj | None) -> Obj:
    named = None if line is None else {"invoice": line["invoice"], "invoice_line_items": [line["id"]]}
    return {"credited_items": named}


def _add(world: World, subscription: Obj, item: Obj, terms: Terms, period: tuple[int, int], hidden: Obj) -> Obj | None:
    if terms.amount == 0:
        return None
    customer = world.get("customer", subscription["customer"], param="customer")
    return invoice_items.add(
        world,
        customer,
        replace(terms, pricing=terms.pricing | {"unit_amount_decimal": None}),
        period,
        hidden=hidden,
        parent=invoice_items.parent_of(subscription["id"], item["id"]),
        discountable=False,
        proration=True,
    )


def _price_of(world: World, subscription: Obj, item: Obj) -> int:
    """Return what an item costs for a whole period, after the discounts that are running."""
    currency = subscription["currency"]
    amount = price_terms.multiply(item["price"], item.get("quantity", 1), currency)
    customer = world.get("customer", subscription["customer"], param="customer")
    for id in [*item["discounts"], *billing.running_discounts(world, subscription, customer)]:
        coupon = discounts.find_coupon(world.get("discount", id, param="discounts"))
        if coupon["percent_off"] is not None and discounts.applies_to(coupon, item["price"]["product"]):
            amount -= discounts.amount_off(coupon, amount, currency)
    return amount


def _find_line(world: World, item: Obj) -> Obj | None:
    """Return the line that billed an item, as it is now, for its period; None if it was changed since."""
    for invoice in world.every("invoice", customer=_customer_of(world, item)):
        if invoice["status"] in {"void", "draft"}:
            continue
        for line in invoice_lines.read(invoice):
            details = part(part(line["parent"]).get("subscription_item_details"))
            if details.get("subscription_item") != item["id"] or details["proration"]:
                continue
            if line["period"]["end"] != item["current_period_end"]:
                return None
            priced = line["pricing"]["price_details"]["price"]
            return line if (priced, line["quantity"]) == (item["price"]["id"], item.get("quantity")) else None
    return None


def _customer_of(world: World, item: Obj) -> str:
    owner: str = world.get("subscription", item["subscription"])["customer"]
    return owner


def _name(world: World, priced: Obj, quantity: int) -> str:
    """Return what is sold and how often; `priced` is a price, or what a line tells of one."""
    name = invoice_lines.name_of(world, priced)
    return name if quantity == 1 else f"{quantity} × {name}"
