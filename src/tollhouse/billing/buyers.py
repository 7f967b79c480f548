"""Who buys: whoever the token or the session proves, under our own id."""

from __future__ import annotations

from starlette.requests import Request

from tollhouse.access.access import access_of
from tollhouse.access.callers import Caller
from tollhouse.billing.checkout import Buyer
from tollhouse.billing.till import till_of
from tollhouse.identity import foreign_users
from tollhouse.identity.web import web_of


async def find_caller(request: Request) -> Caller:
    """Return who calls, by a bearer token or the session; raise `BearerError` or `NotSignedIn`."""
    return await access_of(request).find_user(request, web_of(request))


async def find_user_id(request: Request) -> str | None:
    """Return the caller's id, or None for another issuer's user whom nothing was written down of yet."""
    caller = await find_caller(request)
    return await foreign_users.find(till_of(request).run, caller.user_id)


async def find_buyer(request: Request) -> Buyer:
    """Return the caller as a buyer, who gets an id of ours now if there was none."""
    caller = await find_caller(request)
    run = till_of(request).run
    known = await foreign_users.find(run, caller.user_id)
    if known is not None:
        return Buyer(known, caller.email)
    user_id = await run.db.transact(foreign_users.resolve, run, caller.user_id)
    run.outbox.wake_for_events()
    return Buyer(user_id, caller.email)
