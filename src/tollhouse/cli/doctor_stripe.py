"""What `tollhouse doctor` says of payments."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tollhouse.billing.stripe_account import StripeAccount
    from tollhouse.billing.till import Till
    from tollhouse.mail.domain_checks import Finding
    from tollhouse.settings import Settings

CLOCK_SKEW_SECONDS_MAX: Final = 60  # of the 300 within which a webhook's signature counts
REACH_SECONDS_MAX: Final = 5.0


async def check_stripe(settings: Settings) -> AsyncIterator[Finding]:
    """Say whether payments work: the key and its account, the webhook endpoint, the catalogue, the clock."""
    from tollhouse.app import Tollhouse
    from tollhouse.billing.opening import open_till
    from tollhouse.errors import TollhouseError
    from tollhouse.mail.domain_checks import Finding

    if not settings.has_till:
        yield Finding("ok", "payments", "not configured: nothing is sold here")
        return
    try:
        async with Tollhouse(settings).opened() as run:
            till = await open_till(run, settings)
            try:
                async for finding in _check_till(till, settings):
                    yield finding
            finally:
                await till.stripe.close()
    except TollhouseError as error:
        yield Finding("failure", "payments", error.detail)


async def _check_till(till: Till, settings: Settings) -> AsyncIterator[Finding]:
    from tollhouse.billing.errors import StripeRefused, StripeUnavailable
    from tollhouse.cli.tills import explain
    from tollhouse.mail.domain_checks import Finding

    subject = "Stripe key"
    try:
        yield await _check_key(till.stripe)
        subject = "webhook endpoint"
        async for finding in _check_endpoint(till.stripe, settings):
            yield finding
        subject = "catalogue"
        async for finding in _check_catalogue(till):
            yield finding
        async for finding in _check_clock(settings):
            yield finding
    except StripeRefused as error:
        yield Finding("failure", subject, explain(error))
    except StripeUnavailable:
        yield Finding("failure", subject, f"{settings.stripe_api_base} does not answer from here")


async def _check_key(stripe: StripeAccount) -> Finding:
    from tollhouse.billing.account import account_id
    from tollhouse.mail.domain_checks import Finding

    found = await account_id(stripe)
    where = f"account {found}" if found else "of an account that it may not name"
    return Finding("ok", "Stripe key", f"works, {'live' if stripe.livemode else 'test'} mode, {where}")


async def _check_endpoint(stripe: StripeAccount, settings: Settings) -> AsyncIterator[Finding]:
    from tollhouse.billing import setup
    from tollhouse.mail.domain_checks import Finding

    url = settings.url + setup.WEBHOOK_PATH
    there = await setup.find_endpoints(stripe, url)
    fitting = [raw["id"] for raw in there if not setup.endpoint_problems(raw)]
    if fitting:
        yield Finding("ok", "webhook endpoint", f"{fitting[0]} at {url}, enabled, with all events and this API version")
        return
    if not there:
        yield Finding("failure", "webhook endpoint", f"there is none at {url}: run `tollhouse stripe setup`")
    for raw in there:
        wrong = "; ".join(setup.endpoint_problems(raw))
        yield Finding("failure", "webhook endpoint", f"{raw['id']} {wrong}: run `tollhouse stripe setup`")


async def _check_catalogue(till: Till) -> AsyncIterator[Finding]:
    from tollhouse.billing.catalogue_sync import check
    from tollhouse.mail.domain_checks import Finding

    problems = await check(till)
    for problem in problems:
        yield Finding("failure", f"price {problem.price}", problem.text)
    count = len(till.catalogue.prices)
    if not count:
        yield Finding("warning", "catalogue", "there are no [[products]]: nothing can be bought")
    elif not problems:
        yield Finding("ok", "catalogue", f"{count} price{'' if count == 1 else 's'} at Stripe as the settings say")


async def _check_clock(settings: Settings) -> AsyncIterator[Finding]:
    """Compare with the time that Stripe's replies carry; what it signs is judged by it."""
    import httpx

    from tollhouse.mail.domain_checks import Finding

    try:
        async with httpx.AsyncClient(timeout=REACH_SECONDS_MAX) as client:
            told = (await client.get(settings.stripe_api_base)).headers.get("date", "")
        skew = abs(parsedate_to_datetime(told).timestamp() - time.time())
    except (httpx.HTTPError, ValueError):
        return
    if skew > CLOCK_SKEW_SECONDS_MAX:
        yield Finding("failure", "Stripe's clock", f"{skew:.0f} s off this machine's: webhooks would be refused as old")
    else:
        yield Finding("ok", "Stripe's clock", "agrees with this machine's")
