"""Replies of the token routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

TOKEN: str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjQyIiwidHlwIjoiYXQrand0In0.…"  # noqa: S105 (an example)


class AccessTokenReply(BaseModel):
    """An access token."""

    access_token: str = Field(examples=[TOKEN])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(description="Seconds.", examples=[600])


class WhoamiReply(BaseModel):
    """Who calls."""

    user_id: str = Field(
        description="Ours, or `{issuer}#{sub}` for another issuer's user.",
        examples=["usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"],
    )
    email: str | None = Field(description="None where the token has none.", examples=["alice@example.com"])
    issuer: str = Field(examples=["https://auth.example.com"])
    session_id: str | None = Field(examples=["ses_019aa3d1f0c67b2e4d8c91f35a60e7d4"])


class JwksReply(BaseModel):
    """A JSON Web Key Set."""

    keys: list[dict[str, Any]] = Field(
        examples=[[{"kty": "EC", "crv": "P-256", "x": "…", "y": "…", "kid": "42", "alg": "ES256", "use": "sig"}]]
    )
