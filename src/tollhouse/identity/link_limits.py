"""How many mails may be asked for, so that nobody's mailbox is flooded and its owner can always get in."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.clock import DAY
from tollhouse.db import Statement, some
from tollhouse.identity.tables import browsers as table
from tollhouse.limits import Limit
from tollhouse.limits import take as take_limits
from tollhouse.limits.networks import network_of
from tollhouse.runtime import Runtime

HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400
BROWSER_FORGOTTEN_US: Final = 400 * DAY

KNOWN: Final = Statement(select(table.c.seen_at).where(table.c.pair_digest == bindparam("pair")), int)
REMEMBER: Final = Statement(
    upsert(table)
    .values(pair_digest=bindparam("pair"), seen_at=bindparam("now"))
    .on_conflict_do_update(index_elements=["pair_digest"], set_={"seen_at": bindparam("now")}),
    int,
)
SWEEP: Final = Statement(delete(table).where(*some(table.c.pair_digest, table.c.seen_at < bindparam("before"))), int)


async def take(run: Runtime, *, address_digest: bytes, browser: bytes, ip: str) -> None:
    """Take one mail from every limit that applies; raise `RateLimited` and take nothing if one is reached.

    A browser that has signed in to this address before draws on a bucket of its own, which no stranger's flood reaches,
    not even one from behind the same IP.
    """
    settings = run.settings
    pair = run.keys.digest_pair(browser, address_digest)
    known = await run.db.fetch_one(KNOWN, pair=pair) is not None
    if not known:
        await run.flood.per_second("mails", "all", settings.limit_mails_per_second)
    network = run.keys.digest_network(network_of(ip))
    address = address_digest.hex()
    who = pair.hex() if known else f"{address}@{network}"
    per_ip = settings.limit_mails_per_ip_per_hour * (10 if settings.mode == "dev" else 1)
    limits = [
        Limit("mails_gap", who, 1, settings.limit_mail_gap_seconds),
        Limit("mails_address_network", who, settings.limit_mails_per_address_and_network_per_hour, HOUR_SECONDS),
    ]
    if not known:
        limits.append(Limit("mails_ip", network, per_ip, HOUR_SECONDS))
        limits.append(Limit("mails_address", address, settings.limit_mails_per_address_per_hour, HOUR_SECONDS))
    await take_limits(run.db, limits, now_us=run.now_us)


async def take_code_try(run: Runtime, *, address_digest: bytes, browser: bytes) -> None:
    """Take one typed code for an address, over all its links; a browser known there has a bucket of its own."""
    pair = run.keys.digest_pair(browser, address_digest)
    known = await run.db.fetch_one(KNOWN, pair=pair) is not None
    key = pair.hex() if known else address_digest.hex()
    limit = Limit("code_tries", key, run.settings.limit_code_tries_per_address_per_day, DAY_SECONDS)
    await take_limits(run.db, [limit], now_us=run.now_us)
