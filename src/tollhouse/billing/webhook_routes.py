"""Where Stripe's events come in."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.billing import inbox, signatures
from tollhouse.billing.errors import SignatureInvalid
from tollhouse.billing.till import till_of
from tollhouse.errors import BodyTooLarge, DatabaseUnavailable
from tollhouse.pages.replies import reply_json
from tollhouse.pages.routing import PlainRoute, problems
from tollhouse.telemetry import metrics

router: Final = APIRouter(route_class=PlainRoute, tags=["Payments"])

PATH: Final = "/stripe/webhook"
BODY_BYTES_MAX: Final = 1024 * 1024  # an invoice of many lines is some hundred kilobytes
EVENT: Final = {
    "id": "evt_1Pa2Rb3Sc4Td5Ue6",
    "object": "event",
    "type": "invoice.paid",
    "data": {"object": {"id": "in_1Pa2Rb3Sc4Td5Ue6"}},
}
RAW_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "examples": [EVENT]}}},
    }
}


class ReceivedReply(BaseModel):
    """The event is kept, and what came of it."""

    received: bool = Field(examples=[True])
    status: Literal["processed", "accepted", "duplicate", "ignored", "parked"] = Field(
        description="`accepted`: its object is read at Stripe next. `parked`: it is tried again, and shown to you.",
        examples=["processed"],
    )


@router.post(
    PATH,
    summary="Stripe tells of an event",
    responses={200: {"model": ReceivedReply}} | problems(SignatureInvalid, BodyTooLarge, DatabaseUnavailable),
    openapi_extra=RAW_BODY,
)
async def receive_event(request: Request) -> Response:
    """Check the signature over the raw body, and do what the event asks for, once however often it comes."""
    till = till_of(request)
    body = await request.body()
    settings = till.run.settings
    try:
        event = signatures.verify(
            body, request.scope["headers"], settings.stripe_webhook_secrets, now_us=till.run.clock.actual_us()
        )
    except SignatureInvalid:
        metrics.stripe_events.labels(about="other", status="refused").inc()
        raise
    outcome = await inbox.receive(till, event, body)
    return reply_json({"received": True, "status": outcome.status})
