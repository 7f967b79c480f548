"""Bodies and replies of the sign-in routes, for the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tollhouse.clock import SECOND


def iso(time_us: int) -> str:
    """Return a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(time_us // SECOND, tz=UTC).isoformat().replace("+00:00", "Z")


class MagicLinkRequest(BaseModel):
    """Whom to send a link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "alice@example.com", "next": "/account"}]})
    email: str = Field(max_length=254)
    next: str | None = Field(None, max_length=2000, description="Where to go afterwards: a path, or on APP_ORIGINS.")


class MagicLinkReply(BaseModel):
    """The same for every address."""

    magic_link_id: str = Field(examples=["mgl_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    expires_at: str = Field(examples=["2026-01-01T12:10:00Z"])


class TokenRequest(BaseModel):
    """The token of a link: what stands behind `#`."""

    token: str = Field(min_length=43, max_length=43, examples=["mX1q0v8mT2x3w4y5z6a7b8c9d0E1F2G3H4I5J6K7L8M"])


class CodeRequest(BaseModel):
    """The code of the newest mail."""

    code: str = Field(pattern="^[0-9 ]{6,7}$", examples=["123456"])


class PreviewReply(BaseModel):
    """What a page should know before it signs in."""

    email_masked: str = Field(examples=["a•••@example.com"])
    same_browser: bool = Field(description="Whether this browser asked for the mail.")
    next_is_elsewhere: bool = Field(description="Whether only the browser that began can go on; it wants the code.")
    asks: bool = Field(description="Whether to ask first, for nobody knows who led this browser to ask for the mail.")
    signed_in_as: str | None = Field(
        None, description="Masked address of somebody else who is signed in here.", examples=["b•••@example.com"]
    )


class SessionReply(BaseModel):
    """A session."""

    user_id: str = Field(examples=["usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    email: str = Field(examples=["alice@example.com"])
    session_id: str = Field(examples=["ses_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    created_at: str = Field(examples=["2026-01-01T12:00:00Z"])
    expires_at: str = Field(examples=["2026-06-30T12:00:00Z"])


class Device(BaseModel):
    """One session in the list of devices."""

    session_id: str = Field(examples=["ses_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    device: str = Field(examples=["Firefox on Linux"])
    created_at: str = Field(examples=["2026-01-01T12:00:00Z"])
    last_seen_at: str = Field(examples=["2026-01-02T08:30:00Z"])
    expires_at: str = Field(examples=["2026-06-30T12:00:00Z"])
    current: bool


class DevicesReply(BaseModel):
    """Every living session, the last used first."""

    sessions: list[Device]


class EndedReply(BaseModel):
    """How many sessions were ended."""

    ended: int = Field(examples=[2])


def session_json(session: Any) -> dict[str, Any]:
    """Return a session as `SessionReply` describes it."""
    return {
        "user_id": session.user_id,
        "email": session.email,
        "session_id": session.id,
        "created_at": iso(session.created_at),
        "expires_at": iso(session.expires_at),
    }
