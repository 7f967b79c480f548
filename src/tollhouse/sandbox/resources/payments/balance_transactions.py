"""What moves the account's balance, with Stripe's fees. Source: docs.stripe.com/api/balance_transactions.

Every currency has a balance of its own: nothing is converted.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.resources.registry import Params, operation, undescribed
from tollhouse.sandbox.state.world import World, action, clock_of
from tollhouse.sandbox.values import Obj

KIND: Final = "balance_transaction"
PATH: Final = "/v1/balance_transactions"
AVAILABLE: Final = "balance_transaction_available"
DAYS_PENDING: Final = 2
CARD_FEE_PER_MILLE: Final = 29
CARD_FEE_FIXED_MINOR: Final = 30
ACH_FEE_PER_MILLE: Final = 8
ACH_FEE_MINOR_MAX: Final = 500
SEPA_FEE_MINOR: Final = 35
DISPUTE_FEE_MINOR: Final = 1500


def payment_fee(amount: int, kind: str) -> int:
    """Return what Stripe keeps of a payment, in its minor unit: 2.9 % and 30, less for debits, rounded half up."""
    if kind == "sepa_debit":
        return min(SEPA_FEE_MINOR, amount)
    if kind == "us_bank_account":
        return min(_per_mille(amount, ACH_FEE_PER_MILLE), ACH_FEE_MINOR_MAX)
    return min(_per_mille(amount, CARD_FEE_PER_MILLE) + CARD_FEE_FIXED_MINOR, amount)


def _per_mille(amount: int, rate: int) -> int:
    return (amount * rate + 500) // 1000


def receive(world: World, charge: Obj, amount: int, *, is_available: bool) -> Obj:
    """Record that a payment came in; its money is available two days later, at midnight."""
    kind: str = charge["payment_method_details"]["type"]
    transaction = _record(
        world,
        charge,
        amount,
        payment_fee(amount, kind),
        type="charge" if kind == "card" else "payment",
        reporting_category="charge",
        description=charge["description"],
    )
    if not is_available:
        due = (transaction["created"] // DAY_SECONDS + DAYS_PENDING) * DAY_SECONDS
        world.change(transaction, {"status": "pending", "available_on": due})
        world.schedule(AVAILABLE, transaction, due)
    return transaction


def give_back(world: World, refund: Obj, *, is_card: bool) -> Obj:
    """Record that a refund goes out. Stripe keeps its fee."""
    return _record(
        world,
        refund,
        -refund["amount"],
        0,
        type="refund" if is_card else "payment_refund",
        reporting_category="refund",
        description="REFUND FOR PAYMENT",
    )


def take_back(world: World, refund: Obj) -> Obj:
    """Record that a refund came back."""
    return _record(
        world,
        refund,
        refund["amount"],
        0,
        type="refund_failure",
        reporting_category="refund_failure",
        description="REFUND FAILURE",
    )


def withdraw(world: World, dispute: Obj) -> Obj:
    """Record that a dispute takes its payment and a fee."""
    return _record(
        world,
        dispute,
        -dispute["amount"],
        DISPUTE_FEE_MINOR,
        type="adjustment",
        reporting_category="dispute",
        description=f"Chargeback withdrawal for {dispute['charge']}",
    )


def reinstate(world: World, dispute: Obj) -> Obj:
    """Record that a dispute was won: its payment comes back, the fee does not."""
    return _record(
        world,
        dispute,
        dispute["amount"],
        0,
        type="adjustment",
        reporting_category="dispute_reversal",
        description=f"Chargeback reversal for {dispute['charge']}",
    )


def _record(world: World, source: Obj, amount: int, fee: int, **fields: str | None) -> Obj:
    currency: str = source["currency"]
    hidden = {"test_clock": clock_of(source)}
    transaction = world.new(KIND, amount=amount, fee=fee, net=amount - fee, currency=currency, _=hidden, **fields)
    transaction |= {"source": source["id"], "status": "available", "available_on": transaction["created"]}
    transaction["balance_type"] = "payments"
    if fee:
        description = "Dispute fee" if source["object"] == "dispute" else "Stripe processing fees"
        told = {"amount": fee, "application": None, "currency": currency, "description": description}
        transaction["fee_details"] = [told | {"type": "stripe_fee"}]
    return world.save(transaction)


@action(AVAILABLE)
def become_available(world: World, id: str) -> None:
    """The money of a payment can be paid out."""
    transaction = world.find(KIND, id)
    if transaction is not None:
        world.change(transaction, {"status": "available"})


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List what moved the balance; no payout ever did."""
    equal = {name: params[name] for name in ("currency", "source", "type") if name in params}
    if "payout" in params:
        return read_page(world, KIND, params, PATH, where=lambda _transaction: False)
    return read_page(world, KIND, params, PATH, **equal)


@undescribed("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return one movement of the balance."""
    return world.get(KIND, id)
