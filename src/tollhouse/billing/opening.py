"""Opening the till: the account it belongs to, what is sold, and what to look after while it is open."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from tollhouse.billing import account
from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.catalogue_rows import remember_pinned
from tollhouse.billing.catalogue_sync import check
from tollhouse.billing.stripe_account import StripeAccount
from tollhouse.billing.till import Till
from tollhouse.errors import SettingsError
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings

log = structlog.get_logger()

CLAIM_SECONDS_MAX: Final = 3.0  # a start is not to wait for an outage of Stripe's
CHECK_AFTER_SECONDS: Final = 5.0  # of all that a start brings, the least urgent
LEARN_SECONDS: Final = 30.0  # after which a price that was pushed elsewhere can be bought here


async def open_till(run: Runtime, settings: Settings, http_client: Any = None) -> Till:
    """Return the till; close it with `await till.stripe.close()`. Raises `SettingsError` for another account's key."""
    stripe = StripeAccount(settings, http_client=http_client)
    till = Till(run, stripe, Catalogue(settings, livemode=stripe.livemode))
    try:
        await stripe.open()
        await _claim(till)
        await remember_pinned(till)
        await till.catalogue.learn(run.db)
    except BaseException:
        await stripe.close()
        raise
    return till


async def keep_till(till: Till) -> None:
    """Compare account and catalogue with Stripe's once, and learn for ever what is pushed: a task of each replica."""
    is_checked = False
    await asyncio.sleep(CHECK_AFTER_SECONDS)
    while True:
        is_checked = is_checked or await _check(till)
        await asyncio.sleep(LEARN_SECONDS)
        try:
            await till.catalogue.learn(till.run.db)
        except Exception as error:  # noqa: BLE001 (what was known before is still true; the next round learns more)
            log.warning("catalogue_not_learned", error=type(error).__name__)


async def _check(till: Till) -> bool:
    """Log what at Stripe is not as it should be; return whether Stripe could be asked."""
    try:
        await account.claim(till)
        for problem in await check(till):
            log.warning("catalogue_differs", price=problem.price, problem=problem.text)
    except SettingsError as error:  # the start had not learnt it
        log.error("stripe_account_differs", problem=error.problems[0])  # noqa: TRY400 (no traceback tells more)
    except Exception as error:  # noqa: BLE001 (whatever it is, prices are to be learned all the same)
        log.warning("catalogue_unchecked", error=getattr(error, "code", type(error).__name__))
        return False
    return True


async def _claim(till: Till) -> None:
    try:
        async with asyncio.timeout(CLAIM_SECONDS_MAX):
            await account.claim(till)
    except TimeoutError:
        log.warning("stripe_account_unchecked", mode="live" if till.livemode else "test", reason="timeout")
