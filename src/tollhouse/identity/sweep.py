"""Sweeping: what nobody can use any more is deleted."""

from __future__ import annotations

from typing import Final

from tollhouse.clock import SECOND
from tollhouse.events import deliveries, outbox
from tollhouse.identity import link_limits, magic_links, sessions, suppressions
from tollhouse.limits import exact
from tollhouse.runtime import Runtime

EVERY_SECONDS: Final = 60


async def sweep(run: Runtime) -> None:
    """Delete what has expired, deliveries that are done and old events, each in a transaction of its own."""
    now = run.now_us
    idle_since = now - run.settings.session_idle_seconds * SECOND
    await run.db.write(magic_links.FORGET_CODES, now=now)
    await run.db.write(magic_links.SWEEP, before=now - magic_links.EXPIRED_KEPT_US)
    await run.db.write(sessions.SWEEP_EXPIRED, now=now)
    await run.db.write(sessions.SWEEP_IDLE, idle_since=idle_since)
    await run.db.write(suppressions.SWEEP, now=now)
    await run.db.write(link_limits.SWEEP, before=now - link_limits.BROWSER_FORGOTTEN_US)
    await run.db.write(exact.SWEEP, now=now)
    await run.db.write(deliveries.SWEEP, before=now - deliveries.FINISHED_KEPT_US)
    await run.db.write(outbox.SWEEP, before=now - outbox.EVENT_KEPT_US)
