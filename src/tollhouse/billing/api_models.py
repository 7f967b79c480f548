"""Replies of the routes for your own servers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tollhouse.billing.models import SubscriptionBody

TIME: str = "2026-11-22T23:34:00.000000Z"
USER_ID: str = "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"


class UserReply(BaseModel):
    """A user."""

    id: str = Field(examples=[USER_ID])
    created_at: str = Field(examples=[TIME])
    signed_in_at: str | None = Field(description="None for a user of another issuer.", examples=[TIME])
    blocked_at: str | None = Field(examples=[None])


class UserEntitlementsReply(BaseModel):
    """What a user is entitled to."""

    features: list[str] = Field(examples=[["exports"]])
    subscriptions: list[SubscriptionBody]


class WhyReply(BaseModel):
    """A chain of causes: each thing with what it is, and with what led to it or came of it."""

    what: str = Field(examples=["100 credits available"])
    because: list[dict[str, Any]] = Field(examples=[[{"what": "payment pur_019aa3d1f0c67b2e4d8c91f35a60e7d4"}]])
