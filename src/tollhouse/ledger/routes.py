"""Routes of credits: the caller's own."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access.access import access_of
from tollhouse.access.dependencies import BEARER
from tollhouse.access.errors import NotAuthenticated, TokenExpired, TokenInvalid, TokenRevoked
from tollhouse.errors import BodyInvalid, DatabaseUnavailable, NotSignedIn
from tollhouse.identity import foreign_users
from tollhouse.identity.web import run_of, web_of
from tollhouse.ledger import models, overview
from tollhouse.ledger.overview import PAGE_LENGTH, PAGE_LENGTH_MAX
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, problems

router: Final = APIRouter(route_class=PlainRoute, tags=["Credits"], dependencies=[Security(BEARER)])
NOT_KNOWN: Final = (NotAuthenticated, NotSignedIn, TokenInvalid, TokenExpired, TokenRevoked)
NUMBER: Final = re.compile("[1-9][0-9]{0,17}")
PAGE: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_LENGTH_MAX, "default": PAGE_LENGTH},
        },
        {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "Of the page before."},
    ]
}


@router.get(
    "/credits",
    summary="Show credits",
    responses={200: {"model": models.BalanceReply}} | problems(*NOT_KNOWN, DatabaseUnavailable),
)
async def show_credits(request: Request) -> Response:
    """Show what the caller has, and the lots behind it."""
    return reply_json(await overview.show(run_of(request), await _find_user_id(request)))


@router.get(
    "/credits/entries",
    summary="List entries",
    responses={200: {"model": models.EntriesReply}} | problems(*NOT_KNOWN, BodyInvalid, DatabaseUnavailable),
    openapi_extra=PAGE,
)
async def show_entries(request: Request) -> Response:
    """List every change of the caller's balance, the newest first."""
    user_id = await _find_user_id(request)
    limit, before = parse_limit(request.query_params.get("limit")), parse_cursor(request.query_params.get("cursor"))
    return reply_json(await overview.page(run_of(request), user_id, before=before, limit=limit))


def parse_limit(value: str | None) -> int:
    """Return how many rows a page has; raise `BodyInvalid` for what is no number from 1 to 100."""
    if value is None:
        return PAGE_LENGTH
    if NUMBER.fullmatch(value) and int(value) <= PAGE_LENGTH_MAX:
        return int(value)
    raise BodyInvalid(f"`limit` must be a whole number from 1 to {PAGE_LENGTH_MAX}.", field="limit")


def parse_cursor(value: str | None) -> int | None:
    """Return the number that a page begins below, or None; raise `BodyInvalid` for what is no cursor."""
    if value is None:
        return None
    if NUMBER.fullmatch(value):
        return int(value)
    raise BodyInvalid("`cursor` is not one that we gave.", field="cursor")


async def _find_user_id(request: Request) -> str | None:
    caller = await access_of(request).find_user(request, web_of(request))
    return await foreign_users.find(run_of(request), caller.user_id)
