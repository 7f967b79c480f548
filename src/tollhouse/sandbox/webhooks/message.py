"""What a webhook carries: the event as its endpoint's API version shows it, and the headers beside it."""

from __future__ import annotations

import json
from typing import Final

from tollhouse.sandbox.api.rendering import conceal
from tollhouse.sandbox.api.versions import downgrade_event
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "Accept": "*/*; q=0.5, application/xml",
    "Cache-Control": "no-cache",
}


def print_event(world: World, event: Obj, version: str | None = None) -> bytes:
    """Return a webhook's body, of the endpoint's version of the API or else of the account's when it happened."""
    shown = conceal(downgrade_event(event, version or str(event["api_version"]), world))
    return json.dumps(shown, indent=2, ensure_ascii=False).encode()
