"""Webhook endpoints. Source: docs.stripe.com/api/webhook_endpoints."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj

KIND: Final = "webhook_endpoint"
PATH: Final = "/v1/webhook_endpoints"
ENDPOINTS_MAX: Final = 16
SECRET_LENGTH: Final = 32
OVERLAP_SECONDS_MAX: Final = 24 * 3600
EVERY_EVENT: Final = "*"

readable(KIND, PATH)


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create an endpoint; the reply alone shows its signing secret."""
    if len(world.every(KIND)) >= ENDPOINTS_MAX:
        raise invalid(f"You have reached the maximum of {ENDPOINTS_MAX} test webhook endpoints.")
    endpoint = world.new(KIND, status="enabled", api_version=params.get("api_version") or None, metadata={})
    endpoint[HIDDEN] = {"secrets": [{"secret": _make_secret(world), "until": None}]}
    world.save(endpoint | _changes(endpoint, params))
    return world.get(KIND, endpoint["id"]) | {"secret": endpoint[HIDDEN]["secrets"][0]["secret"]}


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change an endpoint, or switch it off and on."""
    endpoint = world.get(KIND, id)
    changes = _changes(endpoint, params)
    if "disabled" in params:
        changes["status"] = "disabled" if params["disabled"] else "enabled"
    return world.change(endpoint, changes)


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete an endpoint; what is still on its way to it stops."""
    return world.remove(world.get(KIND, id))


def wants(endpoint: Obj, type: str) -> bool:
    """Say whether an endpoint gets events of a type."""
    return endpoint["status"] == "enabled" and not {type, EVERY_EVENT}.isdisjoint(endpoint["enabled_events"])


def living_secrets(world: World, endpoint: Obj) -> list[str]:
    """Return what its webhooks are signed with, newest first: two while a rolled secret still counts."""
    now = world.clock.now()
    return [each["secret"] for each in endpoint[HIDDEN]["secrets"] if each["until"] is None or each["until"] > now]


def roll_secret(world: World, endpoint: Obj, *, overlap_seconds: int = 0) -> str:
    """Give the endpoint a new secret and return it; the old one counts for `overlap_seconds` more, a day at most.

    Stripe does this in its dashboard alone.
    """
    if not 0 <= overlap_seconds <= OVERLAP_SECONDS_MAX:
        raise invalid(f"An old secret counts for at most {OVERLAP_SECONDS_MAX} seconds.", "overlap_seconds")
    now = world.clock.now()
    new = {"secret": _make_secret(world), "until": None}
    old = {"secret": endpoint[HIDDEN]["secrets"][0]["secret"], "until": now + overlap_seconds}
    endpoint[HIDDEN] = endpoint[HIDDEN] | {"secrets": [new, old]}
    world.save(endpoint)
    return str(new["secret"])


def _make_secret(world: World) -> str:
    return "whsec_" + world.ids.text(SECRET_LENGTH)


def _changes(endpoint: Obj, params: Params) -> dict[str, Any]:
    """Return the fields that the parameters set. Raises `StripeError` 400."""
    changes: dict[str, Any] = {}
    if "url" in params:
        changes["url"] = _check_url(params["url"])
    if "enabled_events" in params:
        changes["enabled_events"] = _check_events(params["enabled_events"])
    if "description" in params:
        changes["description"] = params["description"] or None
    if "metadata" in params:
        changes["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    return changes


def _check_url(url: str) -> str:
    """Return the URL: in test mode plain http will do, and here the loopback as well, which Stripe cannot reach."""
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit:
        raise StripeError(
            "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    return url


def _check_events(events: list[str]) -> list[str]:
    if not events:
        raise invalid("You must specify at least one event.", "enabled_events")
    if EVERY_EVENT in events and len(events) > 1:
        raise invalid("The event `*` stands for all events: it must be the only one.", "enabled_events")
    return events
