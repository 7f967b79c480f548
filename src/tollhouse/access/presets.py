"""What well-known issuers have in common, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Preset:
    """What is filled in where the settings say nothing."""

    example: str  # of an issuer
    pattern: str  # what its `iss` looks like
    algorithms: tuple[str, ...]
    issuer: str | None = None  # where there is only one
    jwks_url: str | None = None  # `{issuer}/.well-known/jwks.json` unless said
    audiences: tuple[str, ...] = ()
    scope_claims: tuple[str, ...] = ("scope", "scp")  # RFC 8693, 4.2; Azure and Okta
    session_claim: str = "sid"
    refused_values: tuple[tuple[str, str], ...] = ()


GENERAL: Final = Preset(
    example="https://issuer.example.com",
    pattern=r".*",
    algorithms=("RS256", "ES256"),
)

PRESETS: Final[Mapping[str, Preset]] = {
    # Session tokens have no `aud`; `azp` is the origin of the front end that asked for the token. In their version 2
    # `sts` is `pending` while a task is open, such as choosing an organisation: the person is not let in until then.
    "clerk": Preset(
        example="https://clerk.example.com",
        pattern=r"https?://[^/]+(/.*[^/])?",  # with a path where it is proxied
        algorithms=("RS256",),
        scope_claims=("scope",),
        refused_values=(("sts", "pending"),),
    ),
    # `aud` of everybody who is signed in is `authenticated`. Projects sign with ES256 or RS256 once they have left the
    # old shared secret (HS256), which publishes no keys.
    "supabase": Preset(
        example="https://abcdefghijklmnopqrst.supabase.co/auth/v1",
        pattern=r"https?://[^/]+/auth/v1",
        algorithms=("ES256", "RS256"),
        audiences=("authenticated",),
        scope_claims=("scope",),
        session_claim="session_id",
    ),
    # The `iss` of a tenant ends in a slash, also on a domain of your own. `permissions` are in the token where the API
    # has role-based access switched on.
    "auth0": Preset(
        example="https://TENANT.eu.auth0.com/",
        pattern=r"https?://[^/]+/",
        algorithms=("RS256",),
        scope_claims=("scope", "permissions"),
    ),
    # ID tokens, for Google's access tokens are not JWTs; `aud` is your client id.
    "google": Preset(
        example="https://accounts.google.com",
        pattern=r"https://accounts\.google\.com",
        algorithms=("RS256",),
        issuer="https://accounts.google.com",
        jwks_url="https://www.googleapis.com/oauth2/v3/certs",
        scope_claims=(),
    ),
}
