"""Lots: credits that came together, drawn from the one that expires soonest, then from the oldest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, insert, literal, select, update

from tollhouse.db import Statement
from tollhouse.ledger.tables import lots as table

FOREVER: Final = 1 << 62


@dataclass(slots=True)
class Lot:
    """A lot, changed in memory under its account's lock and then written."""

    id: str
    user_id: str
    kind: str
    source_id: str
    series: str | None
    series_at: int | None
    renews: int
    granted: int
    remaining: int
    held: int
    expires_at: int | None
    created_at: int

    @property
    def free(self) -> int:
        """What is neither gone nor held."""
        return self.remaining - self.held

    def is_over(self, now_us: int) -> bool:
        """Whether nothing may be drawn from it any more."""
        return self.expires_at is not None and self.expires_at <= now_us

    @property
    def turn(self) -> tuple[int, int, str]:
        """When it is drawn from: soonest expiry, then oldest."""
        return (FOREVER if self.expires_at is None else self.expires_at, self.created_at, self.id)


NAMES: Final = tuple(Lot.__dataclass_fields__)
COLUMNS: Final = tuple(table.c[name] for name in NAMES)
LIVING: Final = Statement(
    select(*COLUMNS).where(table.c.user_id == bindparam("user_id"), table.c.remaining > 0).order_by(table.c.id), Lot
)
OF_SOURCE: Final = Statement(
    select(*COLUMNS)
    .where(table.c.source_id == bindparam("source_id"), table.c.user_id == bindparam("user_id"))
    .order_by(table.c.id),
    Lot,
)
RENEWED_SINCE: Final = Statement(
    select(literal(1)).where(
        table.c.series == bindparam("series"),
        table.c.series_at > bindparam("series_at"),
        table.c.renews == 1,
        table.c.user_id == bindparam("user_id"),
    ),
    int,
)
ADD: Final = Statement(insert(table).values({name: bindparam(name) for name in NAMES}), Lot)
SAVE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("lot_id"))
    .values({name: bindparam(f"new_{name}") for name in ("remaining", "held", "expires_at")}),
    Lot,
)
