"""Server to server: what a user may use and has, and why."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access import api_keys
from tollhouse.access.bearer import read_token
from tollhouse.access.dependencies import API_KEY, require_scopes
from tollhouse.access.errors import ApiKeyInvalid, NotAuthenticated, ScopeMissing
from tollhouse.billing import api_models, entitlements, models, subscriptions, why
from tollhouse.billing.till import Till, till_of
from tollhouse.errors import DatabaseUnavailable
from tollhouse.identity import foreign_users, users
from tollhouse.identity.models import iso
from tollhouse.identity.users import User
from tollhouse.ledger.errors import UserUnknown
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, problems

router: Final = APIRouter(route_class=PlainRoute, tags=["Server to server"], dependencies=[Security(API_KEY)])
PROBLEMS: Final = (NotAuthenticated, ApiKeyInvalid, ScopeMissing, UserUnknown, DatabaseUnavailable)
READ_USERS: Final = "users:read"
READ_ENTITLEMENTS: Final = "entitlements:read"
READ_CREDITS: Final = "credits:read"


@router.get(
    "/api/users/{id:path}/entitlements/{feature}/why",
    summary="Why a user has a feature",
    responses={200: {"model": api_models.WhyReply}} | problems(*PROBLEMS),
)
async def explain_feature(request: Request) -> Response:
    """Tell what was paid, and when, that entitles the user to a feature, or that nothing does."""
    till, user = await _find(request, READ_ENTITLEMENTS)
    return reply_json(await why.explain_feature(till, user.id, request.path_params["feature"]))


@router.get(
    "/api/users/{id:path}/entitlements",
    summary="What a user is entitled to",
    responses={200: {"model": api_models.UserEntitlementsReply}} | problems(*PROBLEMS),
)
async def show_entitlements(request: Request) -> Response:
    """Tell which features the user has, and from which living subscriptions."""
    till, user = await _find(request, READ_ENTITLEMENTS)
    living = await subscriptions.living(till.run, user.id, till.livemode)
    features = await entitlements.features_of(till, user.id)
    rows = [models.subscription_json(each) for each in living]
    return reply_json({"features": sorted(features), "subscriptions": rows})


@router.get(
    "/api/users/{id:path}/credits/why",
    summary="Why a user has these credits",
    responses={200: {"model": api_models.WhyReply}} | problems(*PROBLEMS),
)
async def explain_credits(request: Request) -> Response:
    """Tell the chain behind the balance: event, payment, grant, lot, spends."""
    till, user = await _find(request, READ_CREDITS)
    return reply_json(await why.explain_credits(till, user.id))


# Last, for its path would match all the others.
@router.get(
    "/api/users/{id:path}",
    summary="A user",
    responses={200: {"model": api_models.UserReply}} | problems(*PROBLEMS),
)
async def show_user(request: Request) -> Response:
    """Tell when a user came, and whether they are blocked; nothing names them."""
    _, user = await _find(request, READ_USERS)
    return reply_json(
        {
            "id": user.id,
            "created_at": iso(user.created_at),
            "signed_in_at": iso(user.signed_in_at) if user.signed_in_at else None,
            "blocked_at": iso(user.blocked_at) if user.blocked_at else None,
        }
    )


async def _find(request: Request, scope: str) -> tuple[Till, User]:
    """Return the till and the user of the path, by our id or by `{issuer}#{sub}`.

    Raises `BearerError`, `ScopeMissing` and `UserUnknown`.
    """
    till = till_of(request)
    key = await api_keys.authenticate(till.run, read_token(request.scope["headers"]))
    require_scopes((scope,), key.scopes)
    user_id = await foreign_users.find(till.run, request.path_params["id"])
    user = await users.get(till.run, user_id) if user_id else None
    if user is None:
        raise UserUnknown
    return till, user
