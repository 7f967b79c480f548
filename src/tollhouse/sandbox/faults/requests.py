"""What goes wrong with one request to the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tollhouse.sandbox.api.replies import Reply
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.values import Obj

TOO_MANY: Final = 429
CONFLICT: Final = 409
SERVER_ERROR: Final = 500


class RequestFault:
    """Strikes before the request's effect, or after it."""

    def __init__(self, rule: Obj) -> None:
        """Do as the rule says."""
        self._rule = rule
        strikes: dict[str, Callable[[], Awaitable[Reply | None]]] = {
            "error": self._reply_error,
            "rate_limit": self._reply_error,
            "reset": self._reset,
            "timeout": self._time_out,
            "late": self._wait,
        }
        self._strike = strikes[rule["fault"]]

    async def before(self) -> Reply | None:
        """Return an error in the effect's place, or None. Raises `ConnectionResetError` to break the connection."""
        return await self._strike() if self._rule["when"] == "before" else None

    async def after(self, reply: Reply) -> Reply:
        """Return the reply, or another although the effect took place. Raises `ConnectionResetError`."""
        return (await self._strike() or reply) if self._rule["when"] == "after" else reply

    async def _reply_error(self) -> Reply | None:
        status = self._rule.get("status", TOO_MANY)
        return Reply(status, {"error": make_error(status).fields}, is_kept=self._rule.get("is_kept", False))

    async def _reset(self) -> Reply | None:
        raise ConnectionResetError("A fault broke the connection.")

    async def _time_out(self) -> Reply | None:
        await self._wait()
        raise ConnectionResetError("A fault left the request without an answer.")

    async def _wait(self) -> Reply | None:
        await asyncio.sleep(self._rule["seconds"])
        return None


def make_error(status: int) -> StripeError:
    """Return an error as Stripe words it for a status."""
    if status == TOO_MANY:
        message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
        return StripeError(message, status=status, code="rate_limit")
    if status == CONFLICT:
        message = "This object cannot be accessed right now because another request is currently accessing it."
        return StripeError(message, status=status, code="lock_timeout")
    type = "api_error" if status >= SERVER_ERROR else "invalid_request_error"
    return StripeError("An unknown error occurred, on purpose.", status=status, type=type)
