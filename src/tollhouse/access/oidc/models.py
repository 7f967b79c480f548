"""Replies and bodies of the provider's routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class TokenReply(BaseModel):
    """Tokens (RFC 6749, 5.1)."""

    access_token: str = Field(examples=["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…"])
    token_type: str = Field(examples=["Bearer"])
    expires_in: int = Field(description="Seconds.", examples=[600])
    scope: str | None = Field(None, examples=["openid email"])
    id_token: str | None = Field(None, description="With the scope `openid`.", examples=["eyJhbGciOiJSUzI1NiJ9.…"])
    refresh_token: str | None = Field(
        None, description="With the scope `offline_access`; works once.", examples=["AaIEWD3gfhs5Kj…"]
    )


class OAuthErrorReply(BaseModel):
    """An error (RFC 6749, 5.2)."""

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field(examples=["The code or refresh token does not work (any more)."])


class UserinfoReply(BaseModel):
    """Who it is."""

    sub: str = Field(examples=["usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
    email: str | None = Field(None, description="With the scope `email`.", examples=["alice@example.com"])
    email_verified: bool | None = Field(None, examples=[True])


class TokenForm(BaseModel):
    """A code or a refresh token, and who asks: a confidential client may send its secret by Basic instead."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "grant_type": "authorization_code",
                    "code": "mX1q0v8mT2x3w4y5z6a7b8c9d0E1F2G3H4I5J6K7L8M",
                    "redirect_uri": "https://app.example.com/api/auth/callback/tollhouse",
                    "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                    "client_id": "phone",
                }
            ]
        }
    )
    grant_type: str
    code: str | None = None
    redirect_uri: str | None = None
    code_verifier: str | None = None
    refresh_token: str | None = None
    scope: str | None = Field(None, description="With a refresh token: less than was granted.")
    client_id: str | None = None
    client_secret: str | None = None


class RevocationForm(BaseModel):
    """What to revoke, and who asks."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "AaIEWD3gfhs5Kj…", "client_id": "phone"}]})
    token: str
    token_type_hint: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


def form(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI part for a body that is a form and nothing else."""
    content = {"application/x-www-form-urlencoded": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
