"""Routes that lead to Stripe's pages: Checkout and the customer portal."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access.dependencies import BEARER
from tollhouse.access.errors import NotAuthenticated, TokenExpired, TokenInvalid, TokenRevoked
from tollhouse.billing import checkout, models, portal
from tollhouse.billing.buyers import find_buyer, find_user_id
from tollhouse.billing.checkout_request import parse, parse_key, parse_return_url
from tollhouse.billing.errors import (
    AlreadySubscribed,
    CatalogueNotReady,
    NoCustomer,
    PriceUnknown,
    PurchaseExpired,
    StripeRefused,
    StripeUnavailable,
)
from tollhouse.billing.till import till_of
from tollhouse.errors import BodyInvalid, DatabaseUnavailable, NotSignedIn
from tollhouse.identity.errors import NextInvalid
from tollhouse.ledger.errors import IdempotencyConflict, IdempotencyKeyInvalid
from tollhouse.pages.bodies import read_fields
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, body, problems

router: Final = APIRouter(route_class=PlainRoute, tags=["Payments"])
NOT_KNOWN: Final = (NotAuthenticated, NotSignedIn, TokenInvalid, TokenExpired, TokenRevoked)
STRIPE_FAILS: Final = (StripeUnavailable, StripeRefused, CatalogueNotReady, DatabaseUnavailable)


@router.post(
    "/stripe/checkout",
    status_code=201,
    summary="Begin a purchase",
    dependencies=[Security(BEARER)],
    responses={201: {"model": models.CheckoutReply}}
    | problems(
        *(*NOT_KNOWN, BodyInvalid, NextInvalid, PriceUnknown, IdempotencyKeyInvalid),
        *(AlreadySubscribed, PurchaseExpired, IdempotencyConflict, *STRIPE_FAILS),
    ),
    openapi_extra=body(models.CheckoutRequest, form=False)
    | {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "The same key and body give the same purchase.",
                "example": "order-42",
            }
        ]
    },
)
async def begin_checkout(request: Request) -> Response:
    """Write a purchase down and return the page where it is paid; a second click while one is open returns that."""
    buyer, till = await find_buyer(request), till_of(request)
    wanted = parse(till.run.settings, till.catalogue, await read_fields(request))
    key = parse_key(request.headers.get("idempotency-key"))
    purchase = await checkout.begin(till, buyer, wanted, key=key)
    return reply_json(
        {
            "purchase_id": purchase.id,
            "checkout_session_id": purchase.checkout_session_id,
            "url": checkout.url_of(till, purchase),
        },
        status=201,
    )


@router.post(
    "/stripe/portal",
    status_code=201,
    summary="Open the customer portal",
    dependencies=[Security(BEARER)],
    responses={201: {"model": models.PortalReply}}
    | problems(*NOT_KNOWN, BodyInvalid, NextInvalid, NoCustomer, *STRIPE_FAILS),
    openapi_extra=body(models.PortalRequest, form=False),
)
async def open_portal(request: Request) -> Response:
    """Return Stripe's page where the caller's cards, invoices and subscriptions are managed."""
    till, user_id = till_of(request), await find_user_id(request)
    fields = await read_fields(request)
    return_url = parse_return_url(till.run.settings, fields)
    if user_id is None:
        raise NoCustomer
    return reply_json({"url": await portal.open(till, user_id, return_url=return_url)}, status=201)
