"""Refunds and disputes: how far the money has gone back, as a stage that only ever grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tollhouse.billing.facts import ReversalFacts
from tollhouse.billing.reading import Raw

UNMOVED: Final = 0
GONE: Final = 1
BACK: Final = 2

# A refund that fails before it ever succeeded ends like one that came back: nothing is taken, or nothing any more.
REFUND_STAGES: Final = {
    "pending": UNMOVED,
    "requires_action": UNMOVED,
    "succeeded": GONE,
    "failed": BACK,
    "canceled": BACK,
}
# Inquiries and disputes that are argued over tell by their balance transactions alone whether the money is gone.
DISPUTE_STAGES: Final = {
    "warning_needs_response": UNMOVED,
    "warning_under_review": UNMOVED,
    "warning_closed": UNMOVED,
    "needs_response": UNMOVED,
    "under_review": UNMOVED,
    "appeal_needs_response": UNMOVED,
    "appeal_under_review": UNMOVED,
    "prevented": UNMOVED,
    "charge_refunded": UNMOVED,  # until 2020: closed because of a refund, which is told of by itself
    "lost": GONE,
    "won": BACK,
}
EVENT_STAGES: Final = {
    "charge.dispute.funds_withdrawn": GONE,
    "charge.dispute.funds_reinstated": BACK,
    "refund.failed": BACK,
}


def read_refund(raw: Mapping[str, Any], event_type: str | None = None) -> ReversalFacts:
    """Return a refund; the type of the event that brought it may know more than its status."""
    refund = Raw.of("refund", raw)
    return _read(refund, "refund", max(_stage(refund, REFUND_STAGES), EVENT_STAGES.get(event_type or "", UNMOVED)))


def read_dispute(raw: Mapping[str, Any], event_type: str | None = None) -> ReversalFacts:
    """Return a dispute; the type of the event that brought it may know more than its status."""
    dispute = Raw.of("dispute", raw)
    stages = (_stage(dispute, DISPUTE_STAGES), _moved(dispute), EVENT_STAGES.get(event_type or "", UNMOVED))
    return _read(dispute, "dispute", max(stages))


def _read(raw: Raw, kind: str, stage: int) -> ReversalFacts:
    return ReversalFacts(
        id=raw.id("id"),
        kind=kind,
        payment_intent_id=raw.id_or_none("payment_intent"),
        charge_id=raw.id_or_none("charge"),
        amount_minor=raw.amount("amount"),
        currency=raw.id("currency"),
        status=raw.id("status"),
        stage=stage,
        created_at=raw.time("created"),
    )


def _stage(raw: Raw, stages: Mapping[str, int]) -> int:
    try:
        return stages[raw.id("status")]
    except KeyError:
        raise raw.broken("status") from None


def _moved(dispute: Raw) -> int:
    """Return what the balance says: taken by a negative amount, given back by a positive one.

    Until 2014 there was but one transaction, by its id; it took.
    """
    amounts = [each.number("amount") for each in dispute.objects("balance_transactions")]
    if any(amount > 0 for amount in amounts):
        return BACK
    is_taken = any(amount < 0 for amount in amounts) or dispute.id_or_none("balance_transaction") is not None
    return GONE if is_taken else UNMOVED
