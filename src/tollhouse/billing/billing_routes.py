"""JSON routes of the till: the catalogue for everybody, and what the caller has bought for the caller alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Security
from sqlalchemy import bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access.dependencies import BEARER
from tollhouse.billing import applied, entitlements, models, subscriptions
from tollhouse.billing.buyers import find_user_id
from tollhouse.billing.checkout_routes import NOT_KNOWN
from tollhouse.billing.errors import PurchaseUnknown
from tollhouse.billing.purchases import COLUMNS, FIND, Purchase
from tollhouse.billing.tables import purchases as table
from tollhouse.billing.till import Till, till_of
from tollhouse.db import Statement
from tollhouse.errors import BodyInvalid, DatabaseUnavailable
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, problems

router: Final = APIRouter(route_class=PlainRoute, tags=["Payments"])
PAGE_LENGTH: Final = 20
PAGE_LENGTH_MAX: Final = 100
AFTER_ALL: Final = "pur_g"  # no id of ours is greater: they go on in hexadecimal
ID: Final = re.compile(r"pur_[0-9a-f]{32}")

# Purchases whose page was never made were never offered to anybody. Ids sort by the time they were made at.
PAGE: Final = Statement(
    select(*COLUMNS)
    .where(
        table.c.user_id == bindparam("user_id"),
        table.c.livemode == bindparam("livemode"),
        table.c.checkout_session_id.is_not(None),
        table.c.id < bindparam("before"),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("limit")),
    Purchase,
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some purchases, the newest first, and where the next ones begin, or None."""

    purchases: list[Purchase]
    next_cursor: str | None


async def list_purchases(till: Till, user_id: str, *, before: str | None = None, limit: int = PAGE_LENGTH) -> Page:
    """Return a user's purchases, those before the cursor if one is given."""
    rows = await till.run.db.fetch_all(
        PAGE, user_id=user_id, livemode=till.livemode, before=before or AFTER_ALL, limit=limit + 1
    )
    shown = rows[:limit]
    return Page(shown, shown[-1].id if len(rows) > limit else None)


@router.get(
    "/billing/products",
    summary="What is sold",
    responses={200: {"model": models.ProductsReply}},
)
async def show_products(request: Request) -> Response:
    """Show the catalogue, to everybody."""
    return reply_json({"products": [models.product_json(each) for each in till_of(request).catalogue.products]})


@router.get(
    "/billing/purchases",
    summary="List purchases",
    dependencies=[Security(BEARER)],
    responses={200: {"model": models.PurchasesReply}} | problems(*NOT_KNOWN, BodyInvalid, DatabaseUnavailable),
    openapi_extra={
        "parameters": [
            {
                "name": "limit",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_LENGTH_MAX, "default": PAGE_LENGTH},
            },
            {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "Of the page before."},
        ]
    },
)
async def show_purchases(request: Request) -> Response:
    """List the caller's own purchases, the newest first."""
    till, user_id = till_of(request), await find_user_id(request)
    limit = parse_limit(request.query_params.get("limit"))
    before = parse_cursor(request.query_params.get("cursor"))
    if user_id is None:
        return reply_json({"purchases": [], "next_cursor": None})
    page = await list_purchases(till, user_id, before=before, limit=limit)
    receipts = await applied.of_purchases(till.run.db, page.purchases)
    shown = [models.purchase_json(each, receipts[each.id]) for each in page.purchases]
    return reply_json({"purchases": shown, "next_cursor": page.next_cursor})


@router.get(
    "/billing/purchases/{id}",
    summary="Show a purchase",
    dependencies=[Security(BEARER)],
    responses={200: {"model": models.PurchaseReply}} | problems(*NOT_KNOWN, PurchaseUnknown, DatabaseUnavailable),
)
async def show_purchase(request: Request) -> Response:
    """Show one of the caller's own purchases; somebody else's is as unknown as one that never was."""
    till, user_id = till_of(request), await find_user_id(request)
    purchase_id: str = request.path_params["id"]
    purchase = await till.run.db.fetch_one(FIND, purchase_id=purchase_id) if ID.fullmatch(purchase_id) else None
    if purchase is None or purchase.user_id != user_id or purchase.livemode != till.livemode:
        raise PurchaseUnknown
    return reply_json(models.purchase_json(purchase, await applied.of_purchase(till.run.db, purchase)))


@router.get(
    "/billing/subscription",
    summary="Show the subscription",
    dependencies=[Security(BEARER)],
    responses={200: {"model": models.SubscriptionReply}} | problems(*NOT_KNOWN, DatabaseUnavailable),
)
async def show_subscription(request: Request) -> Response:
    """Show what the caller is subscribed to, as Stripe last told."""
    till, user_id = till_of(request), await find_user_id(request)
    living = [] if user_id is None else await subscriptions.living(till.run, user_id, till.livemode)
    rows = [models.subscription_json(each) for each in living]
    return reply_json({"subscription": rows[0] if rows else None, "subscriptions": rows})


@router.get(
    "/billing/entitlements",
    summary="Show entitlements",
    dependencies=[Security(BEARER)],
    responses={200: {"model": models.EntitlementsReply}} | problems(*NOT_KNOWN, DatabaseUnavailable),
)
async def show_entitlements(request: Request) -> Response:
    """Show which features the caller has paid for."""
    user_id = await find_user_id(request)
    features = frozenset[str]() if user_id is None else await entitlements.features_of(till_of(request), user_id)
    return reply_json({"features": sorted(features)})


def parse_limit(value: str | None) -> int:
    """Return how many rows a page has; raise `BodyInvalid` for what is no number from 1 to 100."""
    if value is None:
        return PAGE_LENGTH
    if value.isascii() and value.isdigit() and 1 <= int(value[:4]) <= PAGE_LENGTH_MAX:
        return int(value[:4])
    raise BodyInvalid(f"`limit` must be a whole number from 1 to {PAGE_LENGTH_MAX}.", field="limit")


def parse_cursor(value: str | None) -> str | None:
    """Return the id that a page begins after, or None for the first; raise `BodyInvalid` for what is no cursor."""
    if value is None or ID.fullmatch(value):
        return value
    raise BodyInvalid("`cursor` is not one that we gave.", field="cursor")
