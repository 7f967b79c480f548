"""Replies and bodies of the provider's routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class TokenReply(BaseModel):
    """Tokens (RFC 6749, 5.1)."""

    access_token: str = Field(examples=["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…"])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(description="Seconds.", examples=[600])
    scope: str | None = Field(None, examples=["openid email"])
    id_token: str | None = Field(None, description="With the scope `openid`.")
    refresh_token: str | None = Field(None, description="With the scope `offline_access`; works once.")


class OAuthErrorReply(BaseModel):
    """An error (RFC 6749, 5.2)."""

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field(examples=["The code or refresh token does not work (any more)."])


class UserinfoReply(BaseModel):
    """Who it is."""

    sub: str = Field(examples=["usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    email: str | None = Field(None, description="With the scope `email`.", examples=["alice@example.com"])
    email_verified: bool | None = None


class TokenForm(BaseModel):
    """A code or a refresh token, and who asks."""

    grant_type: str = Field(examples=["authorization_code"])
    code: str | None = None
    redirect_uri: str | None = None
    code_verifier: str | None = None
    refresh_token: str | None = None
    scope: str | None = Field(None, description="With a refresh token: less than was granted.")
    client_id: str | None = None
    client_secret: str | None = None


class RevocationForm(BaseModel):
    """What to revoke, and who asks."""

    token: str
    token_type_hint: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


def form(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI part for a body that is a form and nothing else."""
    content = {"application/x-www-form-urlencoded": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
