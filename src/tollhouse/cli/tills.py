"""What commands of the till share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tollhouse.cli.running import database_settings_or_exit, fail, settings_or_exit

if TYPE_CHECKING:
    from tollhouse.billing.errors import StripeRefused
    from tollhouse.billing.stripe_account import StripeAccount
    from tollhouse.billing.till import Till
    from tollhouse.settings import Settings

Result = TypeVar("Result")


def with_till(work: Callable[[Till], Awaitable[Result]]) -> Result:
    """Run `work(till)` with the database open and nothing else running; exit with Stripe's words if it refuses."""

    async def go() -> Result:
        from tollhouse.app import Tollhouse
        from tollhouse.billing.errors import StripeRefused
        from tollhouse.billing.opening import open_till

        settings = database_settings_or_exit()
        if not settings.has_till:
            fail("There is no till: set TOLLHOUSE_STRIPE_API_KEY and TOLLHOUSE_STRIPE_WEBHOOK_SECRETS.")
        async with Tollhouse(settings).opened() as run:
            till = await open_till(run, settings)
            try:
                return await work(till)
            except StripeRefused as error:
                fail(explain(error))
            finally:
                await till.stripe.close()

    return asyncio.run(go())


def explain(error: StripeRefused) -> str:
    """Return what Stripe said, for whoever sits before a terminal."""
    if error.is_unauthorised:
        return "Stripe does not take TOLLHOUSE_STRIPE_API_KEY: it is mistyped, or was rolled. Copy the current one."
    where = f" ({error.param})" if error.param else ""
    return f"Stripe refused{where}: {error.stripe_message or error.detail}"


def with_account(work: Callable[[StripeAccount, Settings], Awaitable[Result]], *, needs_url: bool) -> Result:
    """Run `work(account, settings)` with nothing open; other settings may still be missing, or wrong."""

    async def go() -> Result:
        from tollhouse.billing.errors import StripeRefused
        from tollhouse.billing.stripe_account import StripeAccount

        settings = _unchecked_settings()
        if not settings.stripe_api_key:
            fail("TOLLHOUSE_STRIPE_API_KEY is missing: copy the secret key from Stripe's dashboard.")
        if needs_url and not settings.url:
            fail("TOLLHOUSE_URL is missing: set the public address of Tollhouse, or give --url.")
        account = StripeAccount(settings)
        try:
            return await work(account, settings)
        except StripeRefused as error:
            fail(explain(error))
        finally:
            await account.close()

    return asyncio.run(go())


def _unchecked_settings() -> Settings:
    """Return the settings as they are: the secret of an endpoint, say, comes of what is about to be done."""
    from tollhouse.settings import Settings
    from tollhouse.telemetry import logs

    given: dict[str, Any] = {"mode": "serve"}
    try:
        settings = Settings(**given)
    except ValueError:
        return settings_or_exit()  # which explains what cannot be read at all
    logs.configure(settings.log_format)
    return settings
