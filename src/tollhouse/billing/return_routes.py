"""Routes of the page that a buyer comes back to; public, for a payment may end in another browser than it began in."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.billing import models, returns
from tollhouse.billing.checkout_request import PRICING_PATH, RETURN_PATH, home_of
from tollhouse.billing.errors import PurchaseUnknown
from tollhouse.billing.purchases import Purchase
from tollhouse.billing.till import Till, till_of
from tollhouse.errors import DatabaseUnavailable, RateLimited
from tollhouse.identity.web import run_of, web_of
from tollhouse.limits.networks import network_of
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, problems

router: Final = APIRouter(route_class=PlainRoute, tags=["Payments"])
LOOKS_PER_MINUTE: Final = 300  # from one network: a few open pages, each asking every two seconds
SESSION_PARAMETER: Final = "checkout_session_id"


@router.get(RETURN_PATH, include_in_schema=False)
async def show_return(request: Request) -> Response:
    """The page after a payment; it asks Stripe itself, for the webhook may be late or lost."""
    till = till_of(request)
    await _limit_looks(request)
    purchase, status = await returns.look(till, request.query_params.get(SESSION_PARAMETER))
    is_applied = await returns.is_applied(till, purchase, status)
    return web_of(request).page("billing_return.html", **_words(till, purchase, status), is_applied=is_applied)


@router.get(
    RETURN_PATH + "/status",
    summary="What became of a payment",
    responses={200: {"model": models.ReturnStatusReply}} | problems(PurchaseUnknown, RateLimited, DatabaseUnavailable),
    openapi_extra={
        "parameters": [
            {
                "name": SESSION_PARAMETER,
                "in": "query",
                "required": True,
                "schema": {"type": "string"},
                "example": models.SESSION_ID,
            }
        ]
    },
)
async def show_return_status(request: Request) -> Response:
    """Tell in one word what became of a payment, and whether your app has it, for the page that waits for both."""
    await _limit_looks(request)
    till = till_of(request)
    purchase, status = await returns.look(till, request.query_params.get(SESSION_PARAMETER))
    return reply_json({"status": status, "applied": await returns.is_applied(till, purchase, status)})


def _words(till: Till, purchase: Purchase, status: str) -> dict[str, Any]:
    settings, price = till.run.settings, till.catalogue.prices.get(purchase.price_id)
    return {
        "state": status,
        "session_id": purchase.checkout_session_id,
        "product": price.product.name if price else None,
        "quantity": purchase.quantity,
        "credits": purchase.credits,
        "is_subscription": purchase.mode == "subscription",
        "continue_url": purchase.success_url or home_of(settings),
        "again_url": purchase.cancel_url or settings.url + PRICING_PATH,
    }


async def _limit_looks(request: Request) -> None:
    """Bound what one network can make us ask of Stripe."""
    run = run_of(request)
    per_minute = LOOKS_PER_MINUTE * (10 if run.settings.mode == "dev" else 1)
    network = run.keys.digest_network(network_of(web_of(request).ip_of(request)))
    await run.flood.per_minute("return_looks", network, per_minute)
