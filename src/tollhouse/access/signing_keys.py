"""The keys that sign our tokens: made at first use, published before they sign, kept until their last token is dead."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import structlog
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.access.errors import TokenInvalid
from tollhouse.access.keysets import KeySet, VerificationKey
from tollhouse.access.signing_key import ACCESS, ID, KeyRow, SigningKey, make_private_key
from tollhouse.access.tables import signing_keys as table
from tollhouse.clock import DAY, HOUR
from tollhouse.db import Statement, Transaction
from tollhouse.pages.replies import encode
from tollhouse.runtime import Runtime

log = structlog.get_logger()

ALGORITHMS: Final = (ACCESS, ID)
ROTATED_AFTER_US: Final = 90 * DAY
PUBLISHED_AHEAD_US: Final = HOUR  # longer than anybody keeps our JWKS without asking again
KEPT_AFTER_US: Final = 2 * HOUR  # longer than any token lives (settings: one hour at most)
LOOK_SECONDS: Final = 0.1  # between two looks for a `kid` that nobody knows


COLUMNS: Final = tuple(table.c[name] for name in KeyRow.__dataclass_fields__)
ALL: Final = Statement(select(*COLUMNS).order_by(table.c.algorithm, table.c.generation), KeyRow)
ADD: Final = Statement(
    upsert(table)
    .values({name: bindparam(name) for name in KeyRow.__dataclass_fields__})
    .on_conflict_do_nothing(index_elements=["algorithm", "generation"]),
    str,
)
DELETE: Final = Statement(delete(table).where(table.c.id == bindparam("kid")), str)
DELETE_OLDER: Final = Statement(
    delete(table).where(table.c.algorithm == bindparam("algorithm"), table.c.generation < bindparam("generation")), str
)


class SigningKeys:
    """This database's signing keys, as this replica knows them; `refresh` learns of what others did."""

    def __init__(self, run: Runtime) -> None:
        """Know none yet."""
        self._run = run
        self.on_removed: tuple[Callable[[], None], ...] = ()  # called when a key is gone: nothing it signed counts
        self._keys: dict[str, SigningKey] = {}  # by `kid`, of each algorithm the oldest first
        self._document = b""
        self._published = KeySet(())
        self._making = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._read_at = -math.inf  # by the monotonic clock

    async def refresh(self, *, after_seconds: float = 0.0) -> None:
        """Read the keys anew, by a read that begins after this call; all who wait share one, and its error.

        An older read would bring back what has just been deleted, or miss what was just made.
        """
        older = self._reading
        if older is not None and not older.done():
            await asyncio.wait({older})
        if self._reading is older:
            self._reading = asyncio.create_task(self._read(after_seconds), name="signing keys")
        if self._reading is not None:
            await asyncio.shield(self._reading)  # which goes on for the others when this caller goes away

    async def _read(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        rows = await self._run.db.fetch_all(ALL)
        self._read_at = time.monotonic()
        known = self._keys
        if [row.id for row in rows] == list(known):
            return
        self._keys = {row.id: known.get(row.id) or self._open(row) for row in rows}
        self._document = encode({"keys": [key.public_jwk for key in self._keys.values()]})
        self._published = KeySet.parse(self._document) if rows else KeySet(())
        if known.keys() - self._keys.keys():
            for forget in self.on_removed:
                forget()

    def _open(self, row: KeyRow) -> SigningKey:
        return SigningKey(row, self._run.keys.open_signing_key(row.sealed, kid=row.id))

    async def ensure(self) -> None:
        """Make the first key of each algorithm, unless there is one; of two replicas at once, one makes it."""
        if self._has_all():
            return
        async with self._making:
            await self.refresh()
            for algorithm in ALGORITHMS:
                if not self._of(algorithm):
                    row = await self._new(algorithm, generation=1, active_at=self._run.now_us)
                    await self._run.db.write(ADD, **row)
            await self.refresh()

    def _has_all(self) -> bool:
        return all(self._of(algorithm) for algorithm in ALGORITHMS)

    def _of(self, algorithm: str) -> list[SigningKey]:
        """Return the keys of an algorithm, the oldest first."""
        return [key for key in self._keys.values() if key.row.algorithm == algorithm]

    async def _new(self, algorithm: str, *, generation: int, active_at: int) -> dict[str, Any]:
        """Return a new key's row, for `ADD`."""
        kid = secrets.token_hex(8)
        private_key = await asyncio.to_thread(make_private_key, algorithm)  # RSA takes its time
        sealed = self._run.keys.seal_signing_key(private_key, kid=kid)
        return {
            "id": kid,
            "algorithm": algorithm,
            "generation": generation,
            "sealed": sealed,
            "created_at": self._run.now_us,
            "active_at": active_at,
        }

    async def signer(self, algorithm: str) -> SigningKey:
        """Return the key that signs now: the newest one that is active, as a new one waits until all know it."""
        await self.ensure()
        now = self._run.now_us
        keys = self._of(algorithm)
        # The first of all signs at once, even where this replica's clock is a moment behind the one that made it.
        return next((key for key in reversed(keys) if key.row.active_at <= now), keys[0])

    async def document(self) -> bytes:
        """Return the JWKS: every key that signs, will sign, or signed what may still live."""
        await self.ensure()
        return self._document

    def peek(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return our public key of this id, if this replica knows it; none without an id, for ours all have one."""
        return None if kid is None else self._published.find(kid, algorithm)

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return our public key of this id, after looking whether another replica made it.

        Raises `TokenInvalid`, and `DatabaseUnavailable` where nobody can say that the key is not ours. All unknown ids
        together are looked for ten times a second at most; each waits for a look that began after it came.
        """
        found = self.peek(kid, algorithm)
        if found is None:
            await self.refresh(after_seconds=max(0.0, self._read_at + LOOK_SECONDS - time.monotonic()))
            found = self.peek(kid, algorithm)
        if found is None:
            raise TokenInvalid(reason="key_unknown")
        return found

    async def close(self) -> None:
        """Nothing is held open."""

    async def rotate(self, *, compromised: bool = False) -> list[KeyRow]:
        """Make the next key of each algorithm and return the newest ones; they sign an hour after they are published.

        One that waits for its hour already is not followed by another. `compromised` lets the new ones sign at once and
        deletes the old ones, so that what those signed is refused everywhere that asks for our keys again.
        """
        await self.ensure()
        now = self._run.now_us
        active_at = now if compromised else now + PUBLISHED_AHEAD_US
        for algorithm in ALGORITHMS:
            newest = self._of(algorithm)[-1].row
            if compromised or newest.active_at <= now:
                row = await self._new(algorithm, generation=newest.generation + 1, active_at=active_at)
                await self._run.db.transact(_add, row, compromised)
        await self.refresh()
        log.info("signing_keys_rotated", compromised=compromised)
        return [self._of(algorithm)[-1].row for algorithm in ALGORITHMS]

    async def keep(self) -> None:
        """Rotate what is due, and delete what signed nothing that still lives; for the schedule."""
        await self.refresh()
        now = self._run.now_us
        if self._has_all() and any(self._of(each)[-1].row.active_at + ROTATED_AFTER_US <= now for each in ALGORITHMS):
            await self.rotate()
        for algorithm in ALGORITHMS:
            for kid in dead_keys([key.row for key in self._of(algorithm)], now):
                await self._run.db.write(DELETE, kid=kid)


async def _add(tx: Transaction, row: dict[str, Any], compromised: bool) -> None:  # noqa: FBT001 (of `transact`)
    await tx.execute(ADD, **row)
    if compromised:
        await tx.execute(DELETE_OLDER, algorithm=row["algorithm"], generation=row["generation"])


def dead_keys(rows: Sequence[KeyRow], now_us: int) -> list[str]:
    """Return the ids of those keys of one algorithm, in order, whose successor has signed longer than a token lives."""
    return [old.id for old, new in pairwise(rows) if new.active_at + KEPT_AFTER_US <= now_us]
