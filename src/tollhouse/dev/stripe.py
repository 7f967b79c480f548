"""The sandbox beside the product: its webhooks come here, and what is sold is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollhouse.billing.catalogue_sync import push
from tollhouse.billing.opening import open_till
from tollhouse.billing.setup import EVENT_TYPES, WEBHOOK_PATH
from tollhouse.billing.stripe_account import API_VERSION
from tollhouse.sandbox.resources.account.webhook_endpoints import KIND, PATH, living_secrets

if TYPE_CHECKING:
    from tollhouse.app import Tollhouse
    from tollhouse.sandbox import Sandbox


async def connect(account: Sandbox, url: str) -> str:
    """Return the signing secret of the sandbox's webhook endpoint for the product at `url`, made if need be."""
    target = url + WEBHOOK_PATH
    fields: dict[str, Any] = {"url": target}
    fields |= {f"enabled_events[{number}]": name for number, name in enumerate(EVENT_TYPES)}
    async with account.client() as client:
        found = next((each["id"] for each in account.world.every(KIND) if each["url"] == target), None)
        if found is None:
            reply = await client.post(PATH, data=fields | {"api_version": API_VERSION})
            found = reply.raise_for_status().json()["id"]
        else:  # an earlier run may have been disabled, or have wanted other events
            (await client.post(f"{PATH}/{found}", data=fields | {"disabled": "false"})).raise_for_status()
    return living_secrets(account.world, account.world.get(KIND, found))[0]


async def stock(toll: Tollhouse) -> None:
    """Put what is sold into the sandbox."""
    async with toll.opened() as run:
        till = await open_till(run, toll.settings, toll.stripe_http)
        try:
            await push(till)
        finally:
            await till.stripe.close()
