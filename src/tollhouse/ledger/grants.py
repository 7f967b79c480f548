"""Granting credits, and taking back those of a payment that was reversed."""

from __future__ import annotations

from dataclasses import dataclass

from tollhouse.db import Transaction
from tollhouse.ledger import entries, lots
from tollhouse.ledger.amounts import check_credits
from tollhouse.ledger.book import Book
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.lots import Lot
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

RESTORED = "restored"
COUNTERS = {"purchase": "sales", "subscription": "sales", "grant": "gifts", "sign_up": "gifts"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where credits come from: `kind` is purchase, subscription, grant or sign_up, `id` what was paid or given.

    Lots of one `series` follow each other by `series_at`; one that `renews` ends those before it.
    """

    kind: str
    id: str
    series: str | None = None
    series_at: int | None = None
    renews: bool = False


async def grant(
    tx: Transaction,
    run: Runtime,
    user_id: str,
    credits: int,
    *,
    source: Source,
    expires_at: int | None = None,
    reference: str | None = None,
) -> list[Entry]:
    """Grant credits as a new lot and return the entries; a debt is repaid from it first.

    A lot that renews its series ends the earlier ones in the same transaction; one that comes late, when a later period
    was granted already, ends at once, so that the order of arrival does not matter. Raises `CreditsInvalid`.
    """
    check_credits(credits)
    book = await Book.open(tx, run, user_id)
    lot = _make_lot(book, source, credits, expires_at)
    if source.series is not None and source.series_at is not None:
        is_late = await tx.fetch_one(
            lots.RENEWED_SINCE, series=source.series, series_at=source.series_at, user_id=user_id
        )
        if is_late:
            lot.expires_at = book.now
        elif source.renews:
            for earlier in book.lots:
                if earlier.series == source.series and (earlier.series_at or 0) < source.series_at:
                    book.end(earlier)
    book.expire()
    book.add(lot)
    book.note(entries.GRANT, COUNTERS[source.kind], credits, source_id=source.id, reference=reference)
    return await book.close()


async def reverse(
    tx: Transaction, run: Runtime, user_id: str, *, source_id: str, target: int, reference: str
) -> list[Entry]:
    """Make the credits that are clawed back from a source equal `target`, and return what that took; [] for nothing.

    More are taken from what is free in the source's own lots; what is spent or held already becomes debt. What expired
    unused is gone without: it is not asked for again. Fewer come back as a new lot of the source, with a life as long
    as the old one's. See decisions/0016.
    """
    book = await Book.open(tx, run, user_id)
    clawed = await tx.fetch_one(entries.CLAWED, source_id=source_id, user_id=user_id) or 0
    of_source = await tx.fetch_all(lots.OF_SOURCE, source_id=source_id, user_id=user_id)
    granted = sum(lot.granted for lot in of_source if lot.kind != RESTORED)
    expired = await tx.fetch_one(entries.EXPIRED, source_id=source_id, user_id=user_id) or 0
    expired -= sum(entry.credits for entry in book.written if entry.source_id == source_id)
    if target < clawed:
        _restore(book, of_source[0], clawed - target, reference)
    elif (change := min(target, granted - expired) - clawed) > 0:
        _claw(book, source_id, change, reference)
    return await book.close()


def _claw(book: Book, source_id: str, credits: int, reference: str) -> None:
    parts = book.free_parts(credits, [lot for lot in book.lots if lot.source_id == source_id])
    book.take(parts)
    book.debt += credits - sum(part for _, part in parts)
    book.note(entries.CLAWBACK, "refunds", -credits, parts, source_id=source_id, reference=reference)


def _restore(book: Book, original: Lot, credits: int, reference: str) -> None:
    lasts = None if original.expires_at is None else max(original.expires_at - original.created_at, 0)
    source = Source(RESTORED, original.source_id, original.series, original.series_at)
    book.add(_make_lot(book, source, credits, None if lasts is None else book.now + lasts))
    book.note(entries.RESTORE, "refunds", credits, source_id=original.source_id, reference=reference)


def _make_lot(book: Book, source: Source, credits: int, expires_at: int | None) -> Lot:
    return Lot(
        id=create_id("lot", book.now),
        user_id=book.user_id,
        kind=source.kind,
        source_id=source.id,
        series=source.series,
        series_at=source.series_at,
        renews=int(source.renews),
        granted=credits,
        remaining=credits,
        held=0,
        expires_at=expires_at,
        created_at=book.now,
    )
