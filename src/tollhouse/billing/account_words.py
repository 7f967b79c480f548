"""What the billing page says of one person: plan, credits and purchases, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tollhouse.billing import customers, offers, payments, subscriptions
from tollhouse.billing.billing_routes import list_purchases
from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.money import say_amount
from tollhouse.billing.offers import say_period
from tollhouse.billing.payments import Payment
from tollhouse.billing.purchases import Purchase
from tollhouse.billing.subscriptions import Subscription
from tollhouse.billing.till import Till
from tollhouse.clock import SECOND
from tollhouse.ledger import accounts, entries, lots
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.lots import Lot

SHOWN_MAX: Final = 10
RETURNED_MAX: Final = 100
AFTER_ALL: Final = 1 << 62  # no entry has a greater number
PURCHASE_STATES: Final = {
    "creating": "not begun",
    "open": "not paid yet",
    "processing": "the payment is on its way",
    "paid": "paid",
    "failed": "the payment failed",
    "expired": "expired unpaid",
}
WARNINGS: Final = {
    "past_due": "The last payment did not go through: please update your card.",
    "unpaid": "Not paid, so it is switched off: please update your card.",
    "incomplete": "The first payment is not finished yet.",
    "paused": "Paused: add a way to pay, and it goes on.",
}
LOT_LABELS: Final = {
    "purchase": "bought",
    "subscription": "of your plan",
    "grant": "given to you",
    "sign_up": "to begin with",
    "restored": "given back",
}
ENTRY_LABELS: Final = {
    "grant": "Added",
    "spend": "Used",
    "expiry": "Expired",
    "clawback": "Taken back after a refund",
    "restore": "Given back",
    "repay": "Used to repay what was owed",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a list; what a list does not show stays empty."""

    name: str
    state: str = ""
    when: str = ""
    amount: str | None = None
    warns: bool = False


async def tell(till: Till, user_id: str) -> dict[str, Any]:
    """Return what the template `billing.html` shows of a user."""
    living = await subscriptions.living(till.run, user_id, till.livemode)
    page = await list_purchases(till, user_id, limit=SHOWN_MAX)
    scope = {"user_id": user_id, "livemode": till.livemode, "limit": RETURNED_MAX}
    returned = {each.id: each for each in await till.run.db.fetch_all(payments.RETURNED, **scope)}
    return {
        "subscriptions": [say_subscription(till.catalogue, each) for each in living],
        "credits": await _tell_credits(till, user_id),
        "purchases": [say_purchase(till.catalogue, each, returned.get(each.id)) for each in page.purchases],
        "has_customer": await customers.find(till, user_id) is not None,
        "sells_credits": bool(offers.packs(till.catalogue)),
    }


async def _tell_credits(till: Till, user_id: str) -> dict[str, Any] | None:
    balance = await accounts.find(till.run.db, user_id)
    newest = await till.run.db.fetch_all(entries.LIST, user_id=user_id, before=AFTER_ALL, limit=SHOWN_MAX)
    if not newest:
        return None
    now, rows = till.run.now_us, await till.run.db.fetch_all(lots.LIVING, user_id=user_id)
    living = sorted((each for each in rows if not each.is_over(now)), key=lambda lot: lot.turn)
    return {
        "available": balance.available,
        "held": balance.held,
        "debt": balance.debt,
        "lots": [_say_lot(each) for each in living[:SHOWN_MAX]],
        "entries": [_say_entry(each) for each in newest],
    }


def _say_lot(lot: Lot) -> dict[str, Any]:
    expires = None if lot.expires_at is None else say_day(lot.expires_at)
    return {"credits": lot.remaining, "label": LOT_LABELS.get(lot.kind, ""), "expires": expires}


def _say_entry(entry: Entry) -> dict[str, Any]:
    return {
        "label": ENTRY_LABELS.get(entry.kind, entry.kind),
        "credits": entry.credits,
        "when": say_day(entry.created_at),
    }


def say_purchase(catalogue: Catalogue, purchase: Purchase, returned: Payment | None = None) -> Line:
    """Return a purchase in words, with what was refunded or disputed of its payment.

    What it was called is not known any more once it has left the catalogue.
    """
    price = catalogue.prices.get(purchase.price_id)
    name = price.product.name if price else purchase.product_id
    paid = purchase.amount_minor is not None and purchase.currency is not None
    return Line(
        name=f"{name} × {purchase.quantity}" if purchase.quantity > 1 else name,
        state=PURCHASE_STATES[purchase.status] if returned is None else _say_returned(returned),
        when=say_day(purchase.created_at),
        amount=say_amount(purchase.amount_minor or 0, purchase.currency or "") if paid else None,
    )


def _say_returned(payment: Payment) -> str:
    if payment.reversed_minor >= payment.amount_minor:
        return "returned"
    return f"paid, {say_amount(payment.reversed_minor, payment.currency)} of it returned"


def say_subscription(catalogue: Catalogue, subscription: Subscription) -> Line:
    """Return a subscription in words: what it costs, what becomes of it, and whether something must be done."""
    price = catalogue.prices.get(subscription.price_id or "")
    state, warns = _say_state(subscription)
    if price is None:
        return Line(name=subscription.product_id or "Your subscription", state=state, warns=warns)
    total_minor = price.terms.unit_amount_minor * subscription.quantity
    amount = f"{say_amount(total_minor, price.terms.currency)} / {say_period(price.terms)}"
    return Line(name=price.product.name, state=state, warns=warns, amount=amount)


def _say_state(subscription: Subscription) -> tuple[str, bool]:
    """Return the state in words, and whether it is a warning; Stripe has eight of them, two of which are its end."""
    until = None if subscription.current_period_end is None else say_day(subscription.current_period_end)
    if subscription.status in WARNINGS:
        return WARNINGS[subscription.status], True
    if subscription.cancel_at is not None:
        return f"Cancelled: it ends on {say_day(subscription.cancel_at)}.", False
    if subscription.status == "trialing" and subscription.trial_end is not None:
        return f"Free until {say_day(subscription.trial_end)}, then it is paid.", False
    return f"Renews on {until}." if until else "Active.", False


def say_day(time_us: int) -> str:
    """Return a day as people write it: `3 May 2026`, in UTC."""
    day = datetime.fromtimestamp(time_us // SECOND, tz=UTC)
    return f"{day.day} {day:%B %Y}"
