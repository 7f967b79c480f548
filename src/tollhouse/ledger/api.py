"""Everybody's credits, for Python: `toll.credits`, in transactions of its own or in yours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

from tollhouse.clock import SECOND
from tollhouse.db import Transaction
from tollhouse.failpoints import reach
from tollhouse.identity import foreign_users, users
from tollhouse.ledger import accounts, actions, holds
from tollhouse.ledger.accounts import Balance
from tollhouse.ledger.actions import Ask, JsonReply
from tollhouse.ledger.errors import CreditsInvalid, UserUnknown
from tollhouse.ledger.host_transaction import HostTransaction
from tollhouse.runtime import Runtime

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    HostConnection = AsyncConnection | Connection

P = ParamSpec("P")
APP: Final = "app"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Action = Callable[Concatenate[Transaction, Runtime, Ask, P], Awaitable[JsonReply]]


class Credits:
    """A user is `usr_…` or `{issuer}#{sub}`; replies are dicts of JSON values, as those of the routes.

    Under a `key` a thing is done once, for ever: asked again it returns the same reply, and for something else under
    that key it raises `IdempotencyConflict`. With `connection`, a SQLAlchemy connection of yours to the same database,
    it is part of your transaction: done if you commit, never if you roll back.
    """

    def __init__(self, find_run: Callable[[], Runtime], *, caller: str = APP) -> None:
        """Act in the application that `find_run` returns, for a caller whose keys are its own."""
        self._find_run = find_run
        self._caller = caller

    async def balance(self, user: str) -> Balance:
        """Return what a user has: zeros for another issuer's user of whom nothing was written. Raises `UserUnknown`."""
        run = self._find_run()
        user_id = await foreign_users.find(run, user)
        if user_id is None:
            if not foreign_users.is_reference(user):
                raise UserUnknown
            return Balance(user, 0, 0, 0)
        if await users.get(run, user_id) is None:
            raise UserUnknown
        return await accounts.find(run.db, user_id)

    async def grant(
        self,
        user: str,
        count: int,
        *,
        key: str | None = None,
        expires_at: datetime | None = None,
        reference: str | None = None,
        connection: HostConnection | None = None,
    ) -> JsonReply:
        """Give credits, for ever or until `expires_at`, which says its zone. Raises `CreditsInvalid`, `UserUnknown`."""
        expires_us = None if expires_at is None else _microseconds_of(expires_at)
        return await self._do(
            *(connection, key, None, actions.grant, user, count), expires_at=expires_us, reference=reference
        )

    async def spend(
        self,
        user: str,
        count: int,
        *,
        key: str | None = None,
        reference: str | None = None,
        connection: HostConnection | None = None,
    ) -> JsonReply:
        """Spend credits. Raises `CreditsInsufficient`, `CreditsInvalid`, `UserUnknown`."""
        return await self._do(connection, key, "spend.committed", actions.spend, user, count, reference=reference)

    async def hold(
        self,
        user: str,
        count: int,
        *,
        key: str | None = None,
        lifetime_seconds: int = holds.LIFETIME_SECONDS,
        reference: str | None = None,
        connection: HostConnection | None = None,
    ) -> JsonReply:
        """Keep credits for work under way. Raises `CreditsInsufficient`, `CreditsInvalid`, `UserUnknown`."""
        return await self._do(
            *(connection, key, None, actions.hold, user, count), lifetime_seconds=lifetime_seconds, reference=reference
        )

    async def capture(
        self,
        hold_id: str,
        count: int | None = None,
        *,
        key: str | None = None,
        connection: HostConnection | None = None,
    ) -> JsonReply:
        """Spend what is held, or fewer. Raises `HoldUnknown`, `HoldEnded`, and `CreditsInvalid` for more than that."""
        return await self._do(connection, key, "capture.committed", actions.capture, hold_id, count)

    async def release(
        self, hold_id: str, *, key: str | None = None, connection: HostConnection | None = None
    ) -> JsonReply:
        """Let go of what is held. Raises `HoldUnknown` and `HoldEnded`."""
        return await self._do(connection, key, None, actions.release, hold_id)

    async def _do(
        self,
        connection: HostConnection | None,
        key: str | None,
        point: str | None,
        action: Action[...],
        *args: Any,
        **options: Any,
    ) -> JsonReply:
        run, ask = self._find_run(), Ask(self._caller, key)
        if connection is not None:  # the host commits; workers find what was emitted within their usual second
            return await action(HostTransaction(connection), run, ask, *args, **options)
        reply = await run.db.transact(action, run, ask, *args, **options)
        if point is not None:
            reach(point)
        run.outbox.wake_for_events()
        return reply


def _microseconds_of(time: datetime) -> int:
    """Return a time as microseconds UTC; raise `CreditsInvalid` for one that does not say where it is that time."""
    if time.utcoffset() is None:
        raise CreditsInvalid("`expires_at` says no time zone.", field="expires_at")
    try:
        return (time.astimezone(UTC) - EPOCH) // timedelta(seconds=1) * SECOND
    except OverflowError:  # year 10000 at Greenwich, which no reply could write down
        raise CreditsInvalid("`expires_at` is out of range.", field="expires_at") from None
