"""What is stored about a user here, for whoever asks for their data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select

from tollhouse.access.tables import grants as table
from tollhouse.db import Statement
from tollhouse.runtime import Runtime


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """What an OpenID client was given; times in microseconds UTC."""

    id: str
    client_id: str
    session_id: str
    scope: str
    created_at: int
    refreshed_at: int | None
    expires_at: int


OF_USER: Final = Statement(
    select(*(table.c[name] for name in GrantRecord.__dataclass_fields__))
    .where(table.c.user_id == bindparam("owner"))
    .order_by(table.c.created_at),
    GrantRecord,
)


async def export(run: Runtime, user_id: str) -> dict[str, Any]:
    """Return what the apps that a user signed in to were given, as JSON values."""
    return {"grants": [asdict(record) for record in await run.db.fetch_all(OF_USER, owner=user_id)]}
