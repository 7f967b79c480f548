"""Bodies and replies of the routes of credits, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from tollhouse.ledger.amounts import CREDITS_MAX

ID: Final = "019aa3d1f0c67b2e4d8c91f35a60e7d4"
TIME: Final = "2026-01-01T12:00:00Z"
EXAMPLE: Final[dict[str, Any]] = {"credits": 3, "reference": "report-42"}


class SpendRequest(BaseModel):
    """How many credits, and what for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})
    credits: int = Field(ge=1, le=CREDITS_MAX)
    reference: str | None = Field(None, max_length=200, description="Your own words, kept with the entry.")


class GrantRequest(SpendRequest):
    """How many credits, what for, and until when."""

    expires_at: str | None = Field(None, description="With its time zone; else they never expire.", examples=[TIME])


class HoldRequest(SpendRequest):
    """How many credits, what for, and how long to keep them."""

    lifetime_seconds: int = Field(900, ge=1, le=604_800)


class CaptureRequest(BaseModel):
    """How many of the held credits were used: all of them unless said."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"credits": 2}]})
    credits: int | None = Field(None, ge=1, le=CREDITS_MAX)


class ReleaseRequest(BaseModel):
    """Nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})


class EntryReply(BaseModel):
    """A change of a balance."""

    entry_id: str = Field(examples=[f"ent_{ID}"])
    user_id: str = Field(examples=[f"usr_{ID}"])
    credits: int = Field(examples=[3])
    balance: int = Field(description="After it.", examples=[97])
    debt: int = Field(examples=[0])
    reference: str | None = Field(examples=["report-42"])
    source_id: str | None = Field(description="Of a grant.", examples=[None])


class HoldReply(BaseModel):
    """A hold."""

    hold_id: str = Field(examples=[f"hld_{ID}"])
    user_id: str = Field(examples=[f"usr_{ID}"])
    credits: int = Field(examples=[3])
    captured: int = Field(examples=[0])
    status: str = Field(description="`held`, `captured`, `released` or `expired`.", examples=["held"])
    reference: str | None = Field(examples=["report-42"])
    entry_id: str | None = Field(description="Of the capture.", examples=[None])
    expires_at: str = Field(examples=[TIME])


class LotBody(BaseModel):
    """Credits that came together."""

    id: str = Field(examples=[f"lot_{ID}"])
    kind: str = Field(
        description="`purchase`, `subscription`, `grant`, `sign_up` or `restored`.", examples=["purchase"]
    )
    source_id: str = Field(description="What was paid or given.", examples=[f"pur_{ID}"])
    granted: int = Field(examples=[100])
    remaining: int = Field(examples=[97])
    held: int = Field(examples=[0])
    expires_at: str | None = Field(examples=[None])
    created_at: str = Field(examples=[TIME])


class BalanceReply(BaseModel):
    """What somebody has; `available` is what can be spent now."""

    balance: int = Field(description="The sum of all entries; negative only by a debt.", examples=[97])
    held: int = Field(examples=[0])
    available: int = Field(examples=[97])
    debt: int = Field(examples=[0])
    lots: list[LotBody] = Field(description="What can be spent, in the order in which it is.")


class EntryBody(BaseModel):
    """One change of the balance."""

    id: str = Field(examples=[f"ent_{ID}"])
    number: int = Field(description="1, 2, 3 … of this user.", examples=[2])
    kind: str = Field(description="`grant`, `spend`, `expiry`, `clawback`, `restore` or `repay`.", examples=["spend"])
    credits: int = Field(description="Signed.", examples=[-3])
    balance_after: int = Field(examples=[97])
    debt_after: int = Field(examples=[0])
    source_id: str | None = Field(examples=[None])
    reference: str | None = Field(examples=["report-42"])
    created_at: str = Field(examples=[TIME])


class EntriesReply(BaseModel):
    """Entries, the newest first."""

    entries: list[EntryBody]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last.", examples=["1"])
