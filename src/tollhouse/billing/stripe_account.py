"""Stripe's API: one account, in one mode, asked within a budget and never waited for long."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from tollhouse.billing.budget import LIVE_PER_SECOND, SANDBOX_PER_SECOND, TEST_PER_SECOND, Budget
from tollhouse.billing.circuit import Circuit
from tollhouse.billing.errors import StripeRefused, StripeUnavailable
from tollhouse.billing.stripe_attempt import Failed, attempt
from tollhouse.billing.stripe_http import API_VERSION, open_client
from tollhouse.settings import Settings
from tollhouse.telemetry.metrics import stripe_requests

if TYPE_CHECKING:
    import stripe

__all__ = ["API_VERSION", "LIVE_PREFIXES", "StripeAccount"]

log = structlog.get_logger()

LIVE_PREFIXES: Final = ("sk_live_", "rk_live_")
OWN_BASE: Final = "https://api.stripe.com"
CALL_SECONDS_MAX: Final = 8.0  # whoever waits for us has an answer within ten
BACKGROUND_CALL_SECONDS_MAX: Final = 60.0
ATTEMPTS_MAX: Final = 5
BACKOFF_SECONDS: Final = 0.25  # before the second attempt, twice as long before each further one
BACKOFF_SECONDS_MAX: Final = 4.0
PAGE_SIZE: Final = 100

Method = Literal["get", "post", "delete"]


class StripeAccount:
    """The account that STRIPE_API_KEY opens; every method raises `StripeUnavailable` or `StripeRefused`.

    Objects come as plain JSON values, as the webhook brings them too, so that one reader does for both. Whoever passes
    `background=True` has nobody waiting: such calls leave at least half of the budget to the others, and may take a
    minute in place of eight seconds.
    """

    def __init__(self, settings: Settings, *, http_client: Any = None) -> None:
        """Open nothing yet; `http_client` is one of the official SDK's, for tests."""
        assert settings.stripe_api_key is not None, "there is no till"
        self._settings = settings
        self._http_client = http_client
        self._opened: tuple[stripe.StripeClient, stripe.HTTPClient] | None = None
        self._opening = asyncio.Lock()
        self.livemode = settings.stripe_api_key.startswith(LIVE_PREFIXES)
        at_stripe = LIVE_PER_SECOND if self.livemode else TEST_PER_SECOND
        self._budget = Budget(at_stripe if settings.stripe_api_base == OWN_BASE else SANDBOX_PER_SECOND)
        self._circuit = Circuit()

    async def open(self) -> None:
        """Load the SDK, so that the first call need not; no connection is made."""
        async with self._opening:
            if self._opened is None:
                self._opened = await open_client(self._settings, self._http_client)

    async def close(self) -> None:
        """Let go of connections, unless they were given by a test."""
        opened, self._opened = self._opened, None
        if opened is not None and self._http_client is None:
            await opened[1].close_async()

    async def get(self, path: str, /, *, background: bool = False, **parameters: Any) -> dict[str, Any]:
        """Return one object: `get("/v1/subscriptions/sub_1", expand=["latest_invoice"])`."""
        return await self._call("get", path, parameters, background=background)

    async def post(
        self, path: str, parameters: Mapping[str, Any], *, idempotency_key: str, background: bool = False
    ) -> dict[str, Any]:
        """Create or change something, once for each key however often it is asked."""
        return await self._call("post", path, parameters, idempotency_key=idempotency_key, background=background)

    async def delete(self, path: str, /, *, background: bool = False, **parameters: Any) -> dict[str, Any]:
        """Delete or cancel something; after a lost answer Stripe may say that it is missing already."""
        return await self._call("delete", path, parameters, background=background)

    async def pages(
        self, path: str, /, *, background: bool = False, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Return every object of a list, page by page; with `ending_before`, from the oldest to the newest."""
        backwards = "ending_before" in parameters
        asked: dict[str, Any] = {"limit": PAGE_SIZE, **parameters}
        while True:
            page = await self._call("get", path, asked, background=background)
            items: list[dict[str, Any]] = page.get("data") or []
            for item in reversed(items) if backwards else items:
                yield item
            if not page.get("has_more") or not items:
                return
            asked["ending_before" if backwards else "starting_after"] = items[0 if backwards else -1]["id"]

    async def _call(
        self,
        method: Method,
        path: str,
        parameters: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        background: bool,
    ) -> dict[str, Any]:
        """Return what Stripe answers in the end, and write down how it went."""
        began = time.monotonic()
        outcome = "unavailable"
        try:
            async with asyncio.timeout(BACKGROUND_CALL_SECONDS_MAX if background else CALL_SECONDS_MAX) as deadline:
                await self.open()
                reply = await self._try(deadline, method, path, parameters, idempotency_key, background=background)
            outcome = "ok"
            return reply
        except StripeRefused:
            outcome = "refused"
            raise
        except TimeoutError:
            self._circuit.failed()
            log.warning("stripe_request_failed", method=method, path=path, reason="deadline")
            raise StripeUnavailable from None
        finally:
            stripe_requests.labels(outcome).observe(time.monotonic() - began)

    async def _try(
        self,
        deadline: asyncio.Timeout,
        method: Method,
        path: str,
        parameters: Mapping[str, Any],
        idempotency_key: str | None,
        *,
        background: bool,
    ) -> dict[str, Any]:
        """Ask until there is an answer, or no time or sense in asking again."""
        assert self._opened is not None, "it is open"
        client, _ = self._opened
        number = 0
        while True:
            number += 1
            self._circuit.enter()
            await self._budget.take(background=background)
            reply = await attempt(client, method, path, parameters, idempotency_key)
            if not isinstance(reply, Failed):
                self._circuit.succeeded()
                return reply
            if reply.was_answered:
                self._circuit.succeeded()
            else:
                self._circuit.failed()
            pause = max(reply.retry_after_seconds, _backoff_seconds(number))
            ends_at = deadline.when() or 0.0
            is_last = number == ATTEMPTS_MAX or asyncio.get_running_loop().time() + pause > ends_at
            if not reply.can_retry or is_last:
                _tell(method, path, reply, attempts=number)
                raise reply.error
            await asyncio.sleep(pause)


def _backoff_seconds(number: int) -> float:
    """Return the pause after an attempt: longer each time, and never the same for two who failed together."""
    longest = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** (number - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311 (a pause, no secret)


def _tell(method: Method, path: str, failed: Failed, *, attempts: int) -> None:
    """Log a failure: ids and codes, never Stripe's message, which may quote an address."""
    told: dict[str, Any] = {"method": method, "path": path, "reason": failed.why, "attempts": attempts}
    told["stripe_request_id"] = failed.request_id
    error = failed.error
    if not isinstance(error, StripeRefused):
        log.warning("stripe_request_failed", **told)
    elif error.is_unauthorised:
        log.error("stripe_key_refused", **told)
    elif not (error.is_missing and method == "get"):  # who asks whether something is there has the answer
        log.info("stripe_request_refused", code=error.stripe_code, param=error.param, **told)
