"""The till's pages in each of their states, with ordinary words or with hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tollhouse.billing.account_words import Line
from tollhouse.billing.offers import Offer, Offered

Say = Callable[[str], str]
Context = dict[str, object]


def contexts(say: Say) -> Iterator[tuple[str, str, Context]]:
    """Name, template and context of each state."""
    yield from _returns(say)
    monthly = Offer("pro-monthly", "monthly", "€9.00", "month", 100, 1, 14, is_yours=False, is_change=False)
    yours = Offer("pro-monthly", "monthly", "€9.00", "month", 100, 1, 14, is_yours=True, is_change=False)
    yearly = Offer("pro-yearly", "yearly", "€90.00", "year", 0, 1, 0, is_yours=False, is_change=True)
    pack = Offer(say("pack-100"), "100 credits", "$5.00", None, 100, 10, 0, is_yours=False, is_change=False)
    pro = Offered("pro", say("Pro"), say("For teams."), [say("exports")], is_yours=False, offers=[monthly])
    had = Offered("pro", say("Pro"), None, [], is_yours=True, offers=[yours, yearly])
    packs = Offered("pack", say("Credit pack"), say("Use them when you like."), [], is_yours=False, offers=[pack])
    plans: Context = {"products": [pro, packs], "signed_in": False, "sells_credits": True}
    yield "pricing", "pricing.html", plans
    yield "pricing_subscribed", "pricing.html", plans | {"products": [had], "signed_in": True}
    yield "buy_credits", "buy_credits.html", {"products": [packs], "signed_in": True, "available": say("1,234")}
    yield "leaving", "leaving.html", {"url": "https://pay.example.com/c/1", "place": say("the payment page")}
    yield from _billing(say)


def _returns(say: Say) -> Iterator[tuple[str, str, Context]]:
    bought: Context = {"product": say("Pro"), "quantity": 2}
    after: Context = {"continue_url": "https://app.example.com/thanks"}
    waiting = bought | after | {"session_id": say("cs_test_1")}
    paid = bought | after | {"state": "paid", "is_subscription": False, "credits": 100}
    yield "return_paid", "billing_return.html", paid | {"is_applied": None}
    yield "return_paid_applied", "billing_return.html", paid | {"is_applied": True}
    yield "return_paid_setting_up", "billing_return.html", waiting | paid | {"is_applied": False}
    yield "return_processing", "billing_return.html", waiting | {"state": "processing"}
    yield "return_checking", "billing_return.html", waiting | {"state": "checking"}
    again: Context = {"again_url": "/billing/pricing"}
    opened = bought | again | {"session_id": say("cs_test_1"), "state": "open"}
    yield "return_open", "billing_return.html", opened
    yield "return_failed", "billing_return.html", bought | after | again | {"state": "failed"}
    yield "return_expired", "billing_return.html", bought | after | again | {"state": "expired"}


def _billing(say: Say) -> Iterator[tuple[str, str, Context]]:
    credits_: Context = {
        "available": 1230,
        "held": 3,
        "debt": 0,
        "lots": [
            {"credits": 1000, "label": "bought", "expires": None},
            {"credits": 233, "label": "of your plan", "expires": "3 May 2027"},
        ],
        "entries": [
            {"label": "Used", "credits": -7, "when": "3 May 2026"},
            {"label": "Added", "credits": 1240, "when": "2 May 2026"},
        ],
    }
    full: Context = {
        "subscriptions": [
            Line(say("Pro"), "The last payment did not go through: please update your card.", warns=True),
            Line(say("Team"), "Renews on 3 May 2027.", amount="€9.00 / month"),
        ],
        "credits": credits_,
        "purchases": [
            Line(say("Credit pack × 2"), "paid", "3 May 2026", "$10.00"),
            Line(say("Pro"), "expired unpaid", "1 May 2026"),
        ],
        "has_customer": True,
        "sells_credits": True,
    }
    yield "billing", "billing.html", full
    nothing: Context = {"subscriptions": [], "credits": None, "purchases": [], "has_customer": False}
    yield "billing_nothing", "billing.html", nothing | {"sells_credits": False}
