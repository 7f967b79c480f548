"""The webhook endpoint in the Stripe account: which events it is told, in which version of the API."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tollhouse.billing.stripe_account import API_VERSION, StripeAccount

WEBHOOK_PATH: Final = "/stripe/webhook"

# What has an effect here, and nothing else: Stripe asks to subscribe narrowly.
EVENT_TYPES: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.updated",
    "customer.deleted",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "payment_intent.payment_failed",
    "entitlements.active_entitlement_summary.updated",
    "product.created",
    "product.updated",
    "product.deleted",
    "price.created",
    "price.updated",
    "price.deleted",
)

PATH: Final = "/v1/webhook_endpoints"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The webhook endpoint after a set-up."""

    id: str
    url: str
    action: str  # created, updated, unchanged
    secret: str | None  # told by Stripe once, when it is created
    others: tuple[str, ...]  # endpoints at the same URL with another version of the API


async def set_up(stripe: StripeAccount, url: str) -> Endpoint:
    """Make the endpoint at `url` what it should be: its events, the pinned version, switched on.

    An endpoint's version cannot be changed: where there is one of another version a new one is made beside it. Both may
    deliver at once, since an event counts once whichever brings it.
    """
    there = await find_endpoints(stripe, url)
    fitting = [raw for raw in there if raw.get("api_version") == API_VERSION]
    others = tuple(str(raw["id"]) for raw in there if raw not in fitting and raw.get("status") == "enabled")
    if not fitting:
        fields = {"url": url, "enabled_events": EVENT_TYPES, "api_version": API_VERSION, "description": "Tollhouse"}
        made = await stripe.post(PATH, fields, idempotency_key=_one_time_key())
        return Endpoint(made["id"], url, "created", made["secret"], others)
    raw = fitting[0]
    if not endpoint_problems(raw):
        return Endpoint(raw["id"], url, "unchanged", None, others)
    fields = {"enabled_events": EVENT_TYPES, "disabled": False}
    await stripe.post(f"{PATH}/{raw['id']}", fields, idempotency_key=_one_time_key())
    return Endpoint(raw["id"], url, "updated", None, others)


async def disable(stripe: StripeAccount, endpoint_id: str) -> None:
    """Switch an endpoint off; Stripe keeps it, and what it has delivered."""
    await stripe.post(f"{PATH}/{endpoint_id}", {"disabled": True}, idempotency_key=_one_time_key())


async def find_endpoints(stripe: StripeAccount, url: str) -> list[dict[str, Any]]:
    """Return the endpoints at this URL, newest first."""
    return [raw async for raw in stripe.pages(PATH) if raw.get("url") == url]


def endpoint_problems(raw: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with an endpoint, each in a few words."""
    problems: list[str] = []
    if raw.get("status") != "enabled":
        problems.append("is disabled")
    if raw.get("api_version") != API_VERSION:
        problems.append(f"has API version {raw.get('api_version') or 'of the account'} in place of {API_VERSION}")
    enabled: list[str] = raw.get("enabled_events") or []
    missing = [name for name in EVENT_TYPES if name not in enabled and "*" not in enabled]
    if missing:
        problems.append(f"is not told of {', '.join(missing)}")
    if set(enabled) - set(EVENT_TYPES):
        problems.append("is told of events that have no effect here")
    return problems


def _one_time_key() -> str:
    """Return a key that is kept for the attempts of one call."""
    return f"tollhouse-{secrets.token_hex(16)}"
