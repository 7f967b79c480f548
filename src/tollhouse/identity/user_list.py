"""Users as an operator lists them: nothing that is stored names them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from tollhouse.db import Statement
from tollhouse.identity.tables import users as table
from tollhouse.identity.users import COLUMNS, User
from tollhouse.runtime import Runtime

# By id, which begins with the time, so that the primary key serves.
NEWEST: Final = Statement(select(*COLUMNS).order_by(table.c.id.desc()).limit(bindparam("limit")), User)
BLOCKED: Final = Statement(
    select(*COLUMNS).where(table.c.blocked_at.is_not(None)).order_by(table.c.id.desc()).limit(bindparam("limit")), User
)


async def find_all(run: Runtime, *, limit: int, blocked: bool = False) -> list[User]:
    """Return users, the newest first; only those who are blocked, if wanted."""
    return await run.db.fetch_all(BLOCKED if blocked else NEWEST, limit=limit)
