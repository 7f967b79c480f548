"""Server to server: credits granted, spent and held by your own servers, with API keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access import api_keys
from tollhouse.access.bearer import read_token
from tollhouse.access.dependencies import API_KEY, require_scopes
from tollhouse.access.errors import ApiKeyInvalid, NotAuthenticated, ScopeMissing
from tollhouse.errors import BodyInvalid, DatabaseUnavailable
from tollhouse.identity import foreign_users, users
from tollhouse.identity.web import run_of
from tollhouse.ledger import models, overview
from tollhouse.ledger.api import Credits
from tollhouse.ledger.errors import (
    CreditsInsufficient,
    CreditsInvalid,
    HoldEnded,
    HoldUnknown,
    IdempotencyConflict,
    IdempotencyKeyInvalid,
    UserUnknown,
)
from tollhouse.pages.bodies import read_fields
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, body, problems

# To be installed before the routes below `/api/users/{id}` of others, whose path matches everything.
router: Final = APIRouter(route_class=PlainRoute, tags=["Server to server"], dependencies=[Security(API_KEY)])
READ: Final = "credits:read"
GRANT: Final = "credits:grant"
SPEND: Final = "credits:spend"
NOT_KNOWN: Final = (NotAuthenticated, ApiKeyInvalid, ScopeMissing, DatabaseUnavailable)
POSTED: Final = (*NOT_KNOWN, BodyInvalid, CreditsInvalid, IdempotencyKeyInvalid, IdempotencyConflict)
FIELD_NAME_SHOWN_MAX: Final = 60
KEYED: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "The same key and body get the same reply, for ever, and are done once.",
            "example": "report-42",
        }
    ]
}


@router.get(
    "/api/users/{id:path}/credits",
    summary="A user's credits",
    responses={200: {"model": models.BalanceReply}} | problems(*NOT_KNOWN, UserUnknown),
)
async def show_credits(request: Request) -> Response:
    """Show what a user has, by our id or by `{issuer}#{sub}`, URL-encoded."""
    await _authorized(request, READ)
    run, reference = run_of(request), request.path_params["id"]
    user_id = await foreign_users.find(run, reference)
    known = await users.get(run, user_id) if user_id else foreign_users.is_reference(reference)
    if not known:
        raise UserUnknown
    return reply_json(await overview.show(run, user_id))


@router.post(
    "/api/users/{id:path}/credits/grants",
    status_code=201,
    summary="Grant credits",
    responses={201: {"model": models.EntryReply}} | problems(*POSTED, UserUnknown),
    openapi_extra=body(models.GrantRequest, form=False) | KEYED,
)
async def grant(request: Request) -> Response:
    """Give a user credits; a debt is repaid from them first."""
    credits = await _authorized(request, GRANT)
    fields = await _read(request, ("credits", "reference", "expires_at"))
    reply = await credits.grant(
        request.path_params["id"],
        fields.get("credits", 0),
        key=_key_of(request),
        reference=fields.get("reference"),
        expires_at=_time_of(fields.get("expires_at")),
    )
    return reply_json(reply, status=201)


@router.post(
    "/api/users/{id:path}/credits/spends",
    status_code=201,
    summary="Spend credits",
    responses={201: {"model": models.EntryReply}} | problems(*POSTED, CreditsInsufficient, UserUnknown),
    openapi_extra=body(models.SpendRequest, form=False) | KEYED,
)
async def spend(request: Request) -> Response:
    """Spend a user's credits: those that expire soonest, then the oldest."""
    credits = await _authorized(request, SPEND)
    fields = await _read(request, ("credits", "reference"))
    reply = await credits.spend(
        request.path_params["id"],
        fields.get("credits", 0),
        key=_key_of(request),
        reference=fields.get("reference"),
    )
    return reply_json(reply, status=201)


@router.post(
    "/api/users/{id:path}/credits/holds",
    status_code=201,
    summary="Hold credits",
    responses={201: {"model": models.HoldReply}} | problems(*POSTED, CreditsInsufficient, UserUnknown),
    openapi_extra=body(models.HoldRequest, form=False) | KEYED,
)
async def hold(request: Request) -> Response:
    """Keep credits for work under way: capture or release them, else they are free again after 15 minutes."""
    credits = await _authorized(request, SPEND)
    fields = await _read(request, ("credits", "reference", "lifetime_seconds"))
    reply = await credits.hold(
        request.path_params["id"],
        fields.get("credits", 0),
        key=_key_of(request),
        reference=fields.get("reference"),
        **{name: fields[name] for name in ("lifetime_seconds",) if name in fields},
    )
    return reply_json(reply, status=201)


@router.post(
    "/api/credits/holds/{id}/capture",
    summary="Capture a hold",
    responses={200: {"model": models.HoldReply}} | problems(*POSTED, HoldUnknown, HoldEnded),
    openapi_extra=body(models.CaptureRequest, form=False) | KEYED,
)
async def capture(request: Request) -> Response:
    """Spend what is held, or fewer; the rest is free again."""
    credits = await _authorized(request, SPEND)
    fields = await _read(request, ("credits",))
    return reply_json(await credits.capture(request.path_params["id"], fields.get("credits"), key=_key_of(request)))


@router.post(
    "/api/credits/holds/{id}/release",
    summary="Release a hold",
    responses={200: {"model": models.HoldReply}} | problems(*POSTED, HoldUnknown, HoldEnded),
    openapi_extra=body(models.ReleaseRequest, form=False) | KEYED,
)
async def release(request: Request) -> Response:
    """Let go of what is held."""
    credits = await _authorized(request, SPEND)
    await _read(request, ())
    return reply_json(await credits.release(request.path_params["id"], key=_key_of(request)))


async def _authorized(request: Request, scope: str) -> Credits:
    """Return credits for the API key that calls; raise `BearerError` or `ScopeMissing`."""
    run = run_of(request)
    key = await api_keys.authenticate(run, read_token(request.scope["headers"]))
    require_scopes((scope,), key.scopes)
    return Credits(lambda: run, caller=key.id)


async def _read(request: Request, known: Collection[str]) -> Mapping[str, Any]:
    fields = await read_fields(request)
    for name in fields:
        if name not in known:
            raise BodyInvalid("There is no such field here.", field=name[:FIELD_NAME_SHOWN_MAX])
    return fields


def _key_of(request: Request) -> str | None:
    return request.headers.get("idempotency-key")


def _time_of(value: object) -> datetime | None:
    """Return a time of ISO 8601; raise `BodyInvalid` for anything else, one without a time zone included."""
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.utcoffset() is None:
        raise BodyInvalid("`expires_at` is a time such as 2026-01-01T12:00:00Z.", field="expires_at")
    return time
