"""Whether Stripe still tells us what happens: an endpoint that is switched off fails nothing here, so nobody would see.

What Stripe has is compared with when its newest event came. Events that were lost are made good by `reconcile`; this
only raises the alarm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from sqlalchemy import func, select

from tollhouse.billing.setup import WEBHOOK_PATH
from tollhouse.billing.tables import stripe_events
from tollhouse.billing.till import Till
from tollhouse.clock import MINUTE, SECOND
from tollhouse.db import Statement
from tollhouse.telemetry import metrics

log = structlog.get_logger()

EVERY_SECONDS: Final = 15 * 60
EVENT_TAKES_US: Final = 10 * MINUTE  # the longest that an event of a fact may take without an alarm
CLOCKS_DIFFER_US: Final = MINUTE
NOTE_KEPT_US: Final = 2 * EVERY_SECONDS * SECOND  # another replica may do the next checks
NEWEST_LOOKED_AT: Final = 5


def time_or_none(value: int | None) -> int | None:
    """Return the one column, which is NULL where no event has ever come."""
    return value


NEWEST_EVENT: Final = Statement(select(func.max(stripe_events.c.received_at)), time_or_none)


@dataclass(slots=True)
class Freshness:
    """The checks of this process, and what the newest one found."""

    till: Till
    _found: str | None = None
    _checked_at: int = 0

    @property
    def note(self) -> str | None:
        """What is wrong with Stripe's webhooks, in a sentence, or None; known where the check ran of late."""
        return self._found if self.till.run.now_us - self._checked_at < NOTE_KEPT_US else None

    async def check(self) -> None:
        """Look at the endpoint and at what is new at Stripe, and raise the alarm where events do not come."""
        endpoint = await self._find_endpoint()
        is_enabled = endpoint is not None and endpoint.get("status") == "enabled"
        late_us = 0
        if endpoint is None:
            self._found = "Stripe has no webhook endpoint for this URL: run `tollhouse stripe setup`."
            # In test mode the CLI may be what forwards them, of which Stripe's list says nothing.
            if self.till.livemode:
                log.error("stripe_endpoint_missing", detail=self._found)
            else:
                log.warning("stripe_endpoint_missing", detail=self._found)
        elif not is_enabled:
            self._found = "Stripe has disabled the webhook endpoint: enable it in Stripe's dashboard, then reconcile."
            log.error("stripe_endpoint_disabled", endpoint_id=endpoint.get("id"), detail=self._found)
        else:
            late_us = await self._late_us(int(endpoint["created"]) * SECOND)
            self._found = None
            if late_us:
                self._found = "Things happened at Stripe of which no event came: look at its webhooks, then reconcile."
                log.error("stripe_events_missing", late_seconds=late_us // SECOND, detail=self._found)
        self._checked_at = self.till.run.now_us
        metrics.stripe_endpoint_down.set(not is_enabled)
        metrics.stripe_events_late.set(late_us / SECOND)

    async def _find_endpoint(self) -> dict[str, Any] | None:
        """Return our endpoint at Stripe; of several, one that works."""
        url = self.till.run.settings.url + WEBHOOK_PATH
        found = None
        async for each in self.till.stripe.pages("/v1/webhook_endpoints", background=True):
            if each.get("url") == url:
                found = each
                if each.get("status") == "enabled":
                    break
        return found

    async def _late_us(self, enabled_since: int) -> int:
        """Return for how long an event is overdue, or 0: none came since something happened at Stripe."""
        now = self.till.run.now_us
        newest = await self.till.run.db.fetch_one(NEWEST_EVENT) or 0
        moments = self._moments(now - EVENT_TAKES_US)
        happened = max([moment async for moment in moments if moment > enabled_since], default=0)
        return now - happened if happened > newest + CLOCKS_DIFFER_US else 0

    async def _moments(self, before: int) -> AsyncIterator[int]:
        """Return when things happened at Stripe that an event must have told of, in microseconds."""
        asked: dict[str, Any] = {"limit": NEWEST_LOOKED_AT, "created": {"lt": before // SECOND}, "background": True}
        get = self.till.stripe.get
        sessions = await get(
            "/v1/checkout/sessions", status="complete", expand=["data.payment_intent.latest_charge"], **asked
        )
        invoices = await get("/v1/invoices", status="paid", **asked)
        subscriptions = await get("/v1/subscriptions", status="all", **asked)
        for moment in (
            *_times(sessions, "payment_intent", "latest_charge", "created"),
            *_times(invoices, "status_transitions", "paid_at"),
            *_times(subscriptions, "created"),
        ):
            if moment < before:
                yield moment


def _times(page: dict[str, Any], *path: str) -> Iterator[int]:
    """Return the times at the end of a path in each object of a page, where it leads to one."""
    items: list[Any] = page.get("data") or []
    for item in items:
        found: Any = item
        for name in path:
            found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
        if isinstance(found, int):
            yield found * SECOND
