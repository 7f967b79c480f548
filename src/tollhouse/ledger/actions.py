"""What a program asks for, in one transaction: the change under its Idempotency-Key, the events, and the reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tollhouse.db import Transaction
from tollhouse.failpoints import reach
from tollhouse.identity import foreign_users, users
from tollhouse.identity.models import iso
from tollhouse.ledger import entries, grants, holds, spends
from tollhouse.ledger.amounts import check_credits, check_reference
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.errors import CreditsInsufficient, CreditsInvalid, UserUnknown
from tollhouse.ledger.holds import Hold
from tollhouse.ledger.replies import once
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

JsonReply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, with which Idempotency-Key: keys of different callers never meet."""

    caller: str
    key: str | None = None


async def grant(
    tx: Transaction,
    run: Runtime,
    ask: Ask,
    user: str,
    credits: int,
    *,
    expires_at: int | None = None,
    reference: str | None = None,
) -> JsonReply:
    """Grant credits as a gift and return what `EntryReply` describes.

    Raises `UserUnknown`, `CreditsInvalid`, `BodyInvalid`, `IdempotencyConflict` and `IdempotencyKeyInvalid`.
    """
    check_credits(credits)
    check_reference(reference)
    user_id = await resolve(tx, run, user)

    async def work() -> JsonReply:
        await _require_user(tx, user_id)
        if expires_at is not None and expires_at <= run.now_us:
            raise CreditsInvalid("`expires_at` has passed.", field="expires_at")
        source = grants.Source("grant", create_id("gra", run.now_us))
        written = await grants.grant(
            tx, run, user_id, credits, source=source, expires_at=expires_at, reference=reference
        )
        return await _tell(tx, run, written, entries.GRANT)

    request = {"credits": credits, "expires_at": expires_at, "reference": reference}
    return await once(tx, run, scope=f"{ask.caller}:grant:{user_id}", key=ask.key, request=request, work=work)


async def spend(
    tx: Transaction, run: Runtime, ask: Ask, user: str, credits: int, *, reference: str | None = None
) -> JsonReply:
    """Spend credits and return what `EntryReply` describes.

    Raises `CreditsInsufficient` beside what `grant` raises.
    """
    check_credits(credits)
    check_reference(reference)
    user_id = await resolve(tx, run, user)

    async def work() -> JsonReply:
        written = await _of_known(tx, user_id, lambda: spends.spend(tx, run, user_id, credits, reference=reference))
        return await _tell(tx, run, written, entries.SPEND)

    request = {"credits": credits, "reference": reference}
    reply = await once(tx, run, scope=f"{ask.caller}:spend:{user_id}", key=ask.key, request=request, work=work)
    reach("spend.before_commit")
    return reply


async def hold(
    tx: Transaction,
    run: Runtime,
    ask: Ask,
    user: str,
    credits: int,
    *,
    lifetime_seconds: int = holds.LIFETIME_SECONDS,
    reference: str | None = None,
) -> JsonReply:
    """Hold credits and return what `HoldReply` describes; raise what `spend` does."""
    check_credits(credits)
    check_reference(reference)
    user_id = await resolve(tx, run, user)

    async def work() -> JsonReply:
        lives: dict[str, Any] = {"lifetime_seconds": lifetime_seconds, "reference": reference}
        return hold_json(await _of_known(tx, user_id, lambda: holds.place(tx, run, user_id, credits, **lives)))

    request = {"credits": credits, "lifetime_seconds": lifetime_seconds, "reference": reference}
    return await once(tx, run, scope=f"{ask.caller}:hold:{user_id}", key=ask.key, request=request, work=work)


async def capture(tx: Transaction, run: Runtime, ask: Ask, hold_id: str, credits: int | None = None) -> JsonReply:
    """Spend what is held, or less of it, and return what `HoldReply` describes.

    Raises `HoldUnknown`, `HoldEnded`, `CreditsInvalid`, `IdempotencyConflict` and `IdempotencyKeyInvalid`.
    """
    if credits is not None:
        check_credits(credits)

    async def work() -> JsonReply:
        captured, written = await holds.capture(tx, run, hold_id, credits)
        await _tell(tx, run, written, entries.SPEND)
        return hold_json(captured)

    request = {"credits": credits}
    reply = await once(tx, run, scope=f"{ask.caller}:capture:{hold_id}", key=ask.key, request=request, work=work)
    reach("capture.before_commit")
    return reply


async def release(tx: Transaction, run: Runtime, ask: Ask, hold_id: str) -> JsonReply:
    """Let go of what is held and return what `HoldReply` describes; raise what `capture` does."""

    async def work() -> JsonReply:
        return hold_json(await holds.release(tx, run, hold_id))

    return await once(tx, run, scope=f"{ask.caller}:release:{hold_id}", key=ask.key, request={}, work=work)


async def resolve(tx: Transaction, run: Runtime, user: str) -> str:
    """Return our id for `usr_…` or `{issuer}#{sub}`, made if need be; raise `UserUnknown` for what is neither."""
    if not (foreign_users.is_own(user) or foreign_users.is_reference(user)):
        raise UserUnknown
    return await foreign_users.resolve(tx, run, user)


def hold_json(row: Hold) -> JsonReply:
    """Return a hold as `HoldReply` describes it."""
    return {
        "hold_id": row.id,
        "user_id": row.user_id,
        "credits": row.credits,
        "captured": row.captured,
        "status": row.status,
        "reference": row.reference,
        "entry_id": row.entry_id,
        "expires_at": iso(row.expires_at),
    }


async def _of_known(tx: Transaction, user_id: str, change: Callable[[], Awaitable[Any]]) -> Any:
    """Make a change; where there are too few credits for it, say so only of a user whom there is."""
    try:
        return await change()
    except CreditsInsufficient:
        await _require_user(tx, user_id)
        raise


async def _require_user(tx: Transaction, user_id: str) -> None:
    if await tx.fetch_one(users.FIND_BY_ID, user_id=user_id) is None:
        raise UserUnknown


async def _tell(tx: Transaction, run: Runtime, written: Sequence[Entry], kind: str) -> JsonReply:
    """Emit what happened, and return the entry of this kind as `EntryReply` describes it, with the balance at last."""
    entry, last = next(each for each in written if each.kind == kind), written[-1]
    happened = entries.told(run, *written)
    if happened:
        await run.outbox.emit(tx, *happened, user_id=entry.user_id)
    return {
        "entry_id": entry.id,
        "user_id": entry.user_id,
        "credits": abs(entry.credits),
        "reference": entry.reference,
        "source_id": entry.source_id,
        "balance": last.balance_after,
        "debt": last.debt_after,
    }
