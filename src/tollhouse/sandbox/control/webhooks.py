"""Commands over events and their deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tollhouse.sandbox.api.lists import make_list
from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.resources.account import webhook_endpoints
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

ENDPOINT: Final = "/webhook_endpoints/{id}"
LIMIT_USUAL: Final = 100
LIMIT_MAX: Final = 1_000
SETTLE_SECONDS_USUAL: Final = 10
SETTLE_SECONDS_MAX: Final = 60


@command(
    "GET", "/deliveries", "Lists deliveries with their attempts, newest first.",
    event="string?", endpoint="string?", type="string?", status="string?", source="string?",
    limit="integer?",
)  # fmt: skip
def list_deliveries(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return deliveries, by equal fields; `source` is the id of the object that an event tells of."""
    limit = min(told.pop("limit", LIMIT_USUAL), LIMIT_MAX)
    found = sandbox.world.store.every("delivery", limit=limit + 1, **told)
    return make_list(found[:limit], "/control/deliveries", has_more=len(found) > limit)


@command(
    "POST", "/deliveries/settle", "Answers once nothing is under way to an endpoint.", waits=True, seconds="number?"
)
async def settle(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Wait. Raises `StripeError` 408 when time is up."""
    try:
        await sandbox.deliveries.settle(seconds=min(told.get("seconds", SETTLE_SECONDS_USUAL), SETTLE_SECONDS_MAX))
    except TimeoutError as error:
        raise StripeError("Deliveries were still under way when time was up.", status=408) from error
    return {"settled": True}


@command("POST", "/events/{id}/resend", "Delivers an event again, to one endpoint or all.", webhook_endpoint="string?")
def resend(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the new deliveries; to a listening Stripe CLI it goes as well."""
    event = sandbox.world.get("event", id)
    only = told.get("webhook_endpoint")
    if only is None:
        sandbox.listeners.announce(event)
    found = sandbox.world.every("webhook_endpoint") if only is None else [_find(sandbox, only, "webhook_endpoint")]
    wanting = [each for each in found if only is not None or webhook_endpoints.wants(each, event["type"])]
    return make_list([sandbox.deliveries.resend(event, each["id"]) for each in wanting], "/control/deliveries")


@command(
    "POST", ENDPOINT + "/roll_secret", "Gives an endpoint a new secret; the old one counts on for up to a day.",
    overlap_seconds="integer?",
)  # fmt: skip
def roll_secret(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the endpoint with its new secret."""
    endpoint = _find(sandbox, id)
    overlap_seconds = told.get("overlap_seconds", 0)
    return endpoint | {
        "secret": webhook_endpoints.roll_secret(sandbox.world, endpoint, overlap_seconds=overlap_seconds)
    }


@command("POST", ENDPOINT + "/disable", "Disables an endpoint: nothing is sent to it any more.")
def disable(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the endpoint."""
    return sandbox.world.change(_find(sandbox, id), {"status": "disabled"})


@command("POST", ENDPOINT + "/enable", "Enables an endpoint again.")
def enable(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the endpoint."""
    return sandbox.world.change(_find(sandbox, id), {"status": "enabled"})


def _find(sandbox: Sandbox, id: str, param: str = "id") -> Obj:
    return sandbox.world.get(webhook_endpoints.KIND, id, param=param)
