"""The settings that are tables: `[[issuers]]` and `[[clients]]` of tollhouse.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Names = tuple[str, ...]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Structure(BaseModel):
    """A table of tollhouse.toml; a key that is none of ours is a slip of the pen, and refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class IssuerSettings(Structure):
    """One `[[issuers]]`: whose tokens are accepted beside our own."""

    name: Slug = Field(description="What logs and metrics call it.")
    preset: Literal["clerk", "supabase", "auth0", "google"] | None = Field(
        None, description="Fills in what these issuers have in common: `clerk`, `supabase`, `auth0` or `google`."
    )
    issuer: str | None = Field(None, description="Exactly the `iss` of its tokens, to the last slash.")
    jwks_url: str | None = Field(
        None, description="Where its keys are; the preset knows, or `{issuer}/.well-known/jwks.json`."
    )
    audiences: Names = Field((), description="The `aud` values that mean this API; one must match.")
    authorized_parties: Names = Field(
        (), description="The `azp` values that may call, such as your front end's origin."
    )
    algorithms: Names = Field((), description="The algorithms it signs with; the preset knows, else RS256 and ES256.")
    private_network: bool = Field(default=False, description="Its keys may be on a private address.")


class ClientSettings(Structure):
    """One `[[clients]]`: an app that signs people in through us by OpenID Connect."""

    id: Slug = Field(description="The `client_id`.")
    name: str = Field(min_length=1, max_length=60, description="What a person is told it is called.")
    secret: str | None = Field(
        None, min_length=32, description="The `client_secret`; without one the client is public."
    )
    redirect_uris: Names = Field(min_length=1, description="Where a sign-in may return to, exactly.")
    sign_out_uris: Names = Field((), description="Where signing out may return to, exactly.")
    scopes: Names = Field((), description="Scopes of your own API that it may ask for.")
    first_party: bool = Field(default=True, description="Yours: no consent is asked.")
    refresh_grace_seconds: int = Field(
        0,
        ge=0,
        le=60,
        description="How long the last refresh token still answers, with the same new one. Not for public clients.",
    )
