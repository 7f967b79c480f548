"""Attempts: each try to deliver an event, as it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select

from tollhouse.clock import DAY
from tollhouse.db import Statement, some
from tollhouse.events.tables import attempts as table
from tollhouse.signing.tokens import create_id

if TYPE_CHECKING:
    from tollhouse.events.deliveries import Delivery
    from tollhouse.events.outcomes import Ran

KEPT_US: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try; `status` is HTTP's and `reply` the body's beginning, where there was a reply; times in microseconds."""

    id: str
    delivery_id: str
    number: int
    succeeded: int
    status: int | None
    reason: str | None
    reply: str | None
    started_at: int
    duration_us: int


ADD: Final = Statement(
    insert(table).values(
        {name: bindparam(f"attempt_{name}") for name in (*Attempt.__dataclass_fields__, "subscriber")}
    ),
    str,
)
OF_DELIVERY: Final = Statement(
    select(*(table.c[name] for name in Attempt.__dataclass_fields__))
    .where(table.c.delivery_id == bindparam("delivery_id"))
    .order_by(table.c.started_at, table.c.id),
    Attempt,
)
SWEEP: Final = Statement(delete(table).where(*some(table.c.id, table.c.started_at < bindparam("before"))), str)


def row_of(delivery: Delivery, ran: Ran, reason: str | None) -> dict[str, Any]:
    """Return the row, for `ADD`, of one run of a delivery."""
    values = {
        "id": create_id("att", ran.started_at),
        "delivery_id": delivery.id,
        "number": delivery.attempts,
        "succeeded": int(ran.outcome is None),
        "status": ran.answer and ran.answer.status,
        "reason": reason,
        "reply": ran.answer and ran.answer.text,
        "started_at": ran.started_at,
        "duration_us": ran.duration_us,
        "subscriber": delivery.subscriber,
    }
    return {f"attempt_{name}": value for name, value in values.items()}
