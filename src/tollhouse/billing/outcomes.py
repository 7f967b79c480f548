"""What came of an event, or of an object that was read at Stripe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tollhouse.billing.till import Till
from tollhouse.db import Transaction
from tollhouse.runtime import Happened


@dataclass(frozen=True, slots=True)
class Outcome:
    """`processed`; `accepted`, when something is read at Stripe next; `ignored` or `parked` for a reason."""

    status: str
    reason: str | None = None
    user_id: str | None = None


PROCESSED: Final = "processed"
ACCEPTED: Final = "accepted"
IGNORED: Final = "ignored"
PARKED: Final = "parked"
NOT_OURS: Final = Outcome(IGNORED, "It is not ours.")


@dataclass(frozen=True, slots=True)
class Settled:
    """An outcome with what the app is to be told of it: once, at the end of the transaction."""

    outcome: Outcome
    happened: Sequence[Happened] = ()


async def tell(tx: Transaction, till: Till, settled: Settled) -> Outcome:
    """Emit what happened, which takes the last lock of a transaction, and return the outcome."""
    if settled.happened:
        assert settled.outcome.user_id is not None, "whatever is told of is somebody's"
        await till.run.outbox.emit(tx, *settled.happened, user_id=settled.outcome.user_id)
    return settled.outcome
