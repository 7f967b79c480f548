"""Routes of events: their schema for everybody, what became of one and its receipt for your servers."""

from __future__ import annotations

import functools
import json
from typing import Final

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access import api_keys
from tollhouse.access.bearer import read_token
from tollhouse.access.dependencies import API_KEY, require_scopes
from tollhouse.access.errors import ApiKeyInvalid, NotAuthenticated, ScopeMissing
from tollhouse.endpoints import models, receipts
from tollhouse.endpoints.bodies import body_of
from tollhouse.endpoints.errors import EndpointUnknown, EventUnknown, ReceiptUnclear
from tollhouse.errors import BodyInvalid, DatabaseUnavailable
from tollhouse.events import attempts, records
from tollhouse.events.handlers import FIND_EVENT
from tollhouse.identity.models import iso
from tollhouse.identity.web import run_of
from tollhouse.pages.bodies import read_fields
from tollhouse.pages.replies import Reply, encode, reply_json
from tollhouse.pages.routing import PlainRoute, body, problems
from tollhouse.runtime import Runtime

SCHEMA_PATH: Final = "/events/schema.json"
READ: Final = "events:read"
APPLY: Final = "events:apply"
NOT_KNOWN: Final = (NotAuthenticated, ApiKeyInvalid, ScopeMissing, DatabaseUnavailable, EventUnknown)
SCHEMA_HEADERS: Final = ((b"content-type", b"application/schema+json"), (b"cache-control", b"public, max-age=3600"))

schema_router: Final = APIRouter(route_class=PlainRoute, tags=["Events"])
router: Final = APIRouter(route_class=PlainRoute, tags=["Server to server"], dependencies=[Security(API_KEY)])


@functools.cache
def _schema() -> bytes:
    from tollhouse.events.schemas import document

    return encode(document())


@schema_router.get(
    SCHEMA_PATH,
    summary="The JSON Schema of every event",
    responses={200: {"content": {"application/json": {"example": {"oneOf": [{"$ref": "#/$defs/user.created"}]}}}}},
)
async def show_schema(request: Request) -> Response:
    """Describe what your app gets, one schema for each type of event."""
    del request
    return Reply(_schema(), headers=SCHEMA_HEADERS)


@router.get(
    "/api/events/{id}",
    summary="An event and what became of it",
    responses={200: {"model": models.EventReply}} | problems(*NOT_KNOWN),
)
async def show_event(request: Request) -> Response:
    """Tell an event as your app gets it, with every delivery and every attempt. Scope `events:read`."""
    run = await _let_in(request, READ)
    event = await run.db.fetch_one(FIND_EVENT, event_id=request.path_params["id"])
    if event is None:
        raise EventUnknown
    rows = [
        models.delivery_json(each, await run.db.fetch_all(attempts.OF_DELIVERY, delivery_id=each.id))
        for each in await run.db.fetch_all(records.OF_EVENT, event_id=event.id)
    ]
    return reply_json(json.loads(body_of(event)) | {"deliveries": rows})


@router.post(
    "/api/events/{id}/applied",
    summary="Say that your app has applied an event",
    responses={200: {"model": models.AppliedReply}}
    | problems(*NOT_KNOWN, BodyInvalid, EndpointUnknown, ReceiptUnclear),
    openapi_extra=body(models.AppliedBody, form=False),
)
async def note_applied(request: Request) -> Response:
    """Note a receipt, for an app that applies events after it has answered. Saying it again changes nothing.

    Scope `events:apply`.
    """
    run = await _let_in(request, APPLY)
    fields = await read_fields(request)
    if fields.keys() - {"endpoint"}:
        raise BodyInvalid("There is no other field here than `endpoint`.")
    endpoint = fields.get("endpoint")
    if endpoint is not None and not isinstance(endpoint, str):
        raise BodyInvalid("`endpoint` is the name of an endpoint.")
    return reply_json({"applied_at": iso(await receipts.note(run, request.path_params["id"], endpoint=endpoint))})


async def _let_in(request: Request, scope: str) -> Runtime:
    run = run_of(request)
    key = await api_keys.authenticate(run, read_token(request.scope["headers"]))
    require_scopes((scope,), key.scopes)
    return run
