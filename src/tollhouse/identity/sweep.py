"""Sweeping: what nobody can use any more is deleted."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.clock import SECOND
from tollhouse.db import BATCH_SIZE, Database, Statement
from tollhouse.events import attempts, deliveries, outbox
from tollhouse.identity import link_limits, magic_links, sessions, suppressions
from tollhouse.limits import exact
from tollhouse.runtime import Runtime

EVERY_SECONDS: Final = 60


async def sweep(run: Runtime) -> None:
    """Delete what has expired, deliveries that are done and old events, in small transactions."""
    now = run.now_us
    idle_since = now - run.settings.session_idle_seconds * SECOND
    await to_the_end(run.db, magic_links.FORGET_CODES, now=now)
    await to_the_end(run.db, magic_links.SWEEP, before=now - magic_links.EXPIRED_KEPT_US)
    await to_the_end(run.db, sessions.SWEEP_EXPIRED, now=now)
    await to_the_end(run.db, sessions.SWEEP_IDLE, idle_since=idle_since)
    await to_the_end(run.db, suppressions.SWEEP, now=now)
    await to_the_end(run.db, link_limits.SWEEP, before=now - link_limits.BROWSER_FORGOTTEN_US)
    await to_the_end(run.db, exact.SWEEP, now=now)
    await to_the_end(run.db, deliveries.SWEEP, before=now - deliveries.FINISHED_KEPT_US)
    await to_the_end(run.db, attempts.SWEEP, before=now - attempts.KEPT_US)
    await to_the_end(run.db, outbox.SWEEP, before=now - outbox.EVENT_KEPT_US)


async def to_the_end(db: Database, statement: Statement[Any], **parameters: Any) -> None:
    """Run a statement over `some` rows until there are no more; others have their turn in between."""
    while await db.write(statement, **parameters) == BATCH_SIZE:
        pass
