"""What a route asks for with `Depends`: credits held while it works, or spent before it begins."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import structlog
from fastapi import Depends
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from tollhouse.access.dependencies import NO_SCOPES, SCHEME, SCHEME_NAME, Authenticate, require_scopes
from tollhouse.errors import DatabaseUnavailable
from tollhouse.ledger.actions import JsonReply
from tollhouse.ledger.api import Credits
from tollhouse.ledger.errors import HoldEnded
from tollhouse.ledger.holds import LIFETIME_SECONDS

log = structlog.get_logger()


class Hold:
    """Credits that are the caller's still, and that nothing else can spend: `await hold.capture()` spends them.

    What is not captured when your function returns or raises is released before the response leaves; what a dead
    process held expires.
    """

    def __init__(self, credits_of_all: Credits, placed: JsonReply) -> None:
        """Made by `Depends(toll.hold(3))`."""
        self._credits = credits_of_all
        self.id: str = placed["hold_id"]
        self.user_id: str = placed["user_id"]
        self.credits: int = placed["credits"]
        self.has_ended = False

    async def capture(self, count: int | None = None) -> JsonReply:
        """Spend all that is held, or fewer. Raises `HoldEnded`, and `CreditsInvalid` for more than is held."""
        captured = await self._credits.capture(self.id, count)
        self.has_ended = True
        return captured

    async def release(self) -> None:
        """Let go of what is held; a hold that has ended is left as it is."""
        with suppress(HoldEnded):
            await self._credits.release(self.id)
        self.has_ended = True


class SpendDependency(SecurityBase):
    """`Depends(toll.spend(3))`: spends the caller's credits, committed before your function begins."""

    def __init__(self, authenticate: Authenticate, credits_of_all: Credits, *, count: int) -> None:
        """Authenticate so, and spend so many."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME
        self._authenticate = authenticate
        self._credits = credits_of_all
        self._count = count

    async def __call__(self, request: Request, security_scopes: SecurityScopes = NO_SCOPES) -> JsonReply:
        """Return the entry; raise `BearerError`, `ScopeMissing` or `CreditsInsufficient`."""
        caller = await self._authenticate(request)
        require_scopes(security_scopes.scopes, caller.scopes)
        return await self._credits.spend(caller.user_id, self._count)


class HoldDependency(SecurityBase):
    """`Depends(toll.hold(3))`: a `Hold` of the caller's credits while your function works."""

    def __init__(
        self,
        authenticate: Authenticate,
        credits_of_all: Credits,
        *,
        count: int,
        lifetime_seconds: int = LIFETIME_SECONDS,
    ) -> None:
        """Authenticate so, and hold so many for at most so long."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME
        self._authenticate = authenticate
        self._credits = credits_of_all
        self._count = count
        self._lifetime_seconds = lifetime_seconds
        # FastAPI would end a dependency of a request after the response has left. One of the function ends before; it
        # is asked for here, one step further in, so that your route need not say so.
        held = inspect.Parameter(
            "hold", inspect.Parameter.KEYWORD_ONLY, default=Depends(self._held, scope="function"), annotation=Any
        )
        self.__signature__ = inspect.Signature([held])

    async def __call__(self, *, hold: Hold) -> Hold:
        """Return the hold."""
        return hold

    async def _held(self, request: Request, security_scopes: SecurityScopes) -> AsyncGenerator[Hold]:
        caller = await self._authenticate(request)
        require_scopes(security_scopes.scopes, caller.scopes)
        placed = await self._credits.hold(caller.user_id, self._count, lifetime_seconds=self._lifetime_seconds)
        hold = Hold(self._credits, placed)
        try:
            yield hold
        finally:
            if not hold.has_ended:
                await _let_go(hold)


async def _let_go(hold: Hold) -> None:
    """Release a hold; where the database is away just now, the hold's own time ends it."""
    try:
        await hold.release()
    except DatabaseUnavailable as error:
        log.warning("hold_not_released", hold_id=hold.id, detail=error.detail)
