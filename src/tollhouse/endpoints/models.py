"""Events and their deliveries as replies show them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, Field

from tollhouse.endpoints.bodies import iso_us
from tollhouse.events.attempts import Attempt
from tollhouse.events.records import DeliveryRecord
from tollhouse.identity.models import iso

MICROSECONDS_PER_MS: Final = 1000


class AttemptReply(BaseModel):
    """One try to deliver an event."""

    number: int = Field(examples=[1])
    succeeded: bool = Field(examples=[False])
    status: int | None = Field(description="HTTP's, where there was an answer.", examples=[503])
    reason: str | None = Field(description="Why it did not succeed.", examples=["host: It answered 503."])
    reply: str | None = Field(description="The first 2 kB of the answer.", examples=["upstream is down"])
    started_at: str = Field(examples=["2026-01-01T12:00:00.000000Z"])
    duration_ms: float = Field(examples=[12.4])


class DeliveryReply(BaseModel):
    """What became of an event for one subscriber."""

    id: str = Field(examples=["dlv_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    subscriber: str = Field(description="`endpoint:` and its name, or a handler.", examples=["endpoint:app"])
    status: str = Field(examples=["delivered"])
    reason: str | None = Field(description="Why it is not delivered.", examples=[None])
    applied_at: str | None = Field(
        description="Since when your app is known to have applied it.", examples=["2026-01-01T12:00:00Z"]
    )
    attempts: list[AttemptReply]


class EventReply(BaseModel):
    """An event of ours as your app gets it, with its deliveries."""

    id: str = Field(examples=["out_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    type: str = Field(examples=["payment.succeeded"])
    sequence: int | None = Field(examples=[5])
    created_at: str = Field(examples=["2026-01-01T12:00:00.000000Z"])
    data: dict[str, Any] = Field(examples=[{"user_id": "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4", "credits": 100}])
    deliveries: list[DeliveryReply]


class AppliedBody(BaseModel):
    """Which endpoint has applied an event; needed only where several got it."""

    endpoint: str | None = Field(None, examples=["app"])


class AppliedReply(BaseModel):
    """Since when your app is known to have applied an event."""

    applied_at: str = Field(examples=["2026-01-01T12:00:00Z"])


def delivery_json(record: DeliveryRecord, tried: list[Attempt]) -> dict[str, Any]:
    """Return a delivery as `DeliveryReply` describes it."""
    return {
        "id": record.id,
        "subscriber": record.subscriber,
        "status": record.status,
        "reason": record.reason,
        "applied_at": None if record.applied_at is None else iso(record.applied_at),
        "attempts": [attempt_json(each) for each in tried],
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as `AttemptReply` describes it."""
    return {
        "number": attempt.number,
        "succeeded": bool(attempt.succeeded),
        "status": attempt.status,
        "reason": attempt.reason,
        "reply": attempt.reply,
        "started_at": iso_us(attempt.started_at),
        "duration_ms": attempt.duration_us / MICROSECONDS_PER_MS,
    }
