"""What this provider can do, for clients that configure themselves (OpenID Connect Discovery, 3; RFC 8414, 2)."""

from __future__ import annotations

from typing import Any

from tollhouse.access.clients import STANDARD_SCOPES
from tollhouse.access.oidc.authorization_requests import PROMPTS
from tollhouse.access.signing_key import ID
from tollhouse.identity.redirects import AUTHORIZE_PATH


def document(url: str) -> dict[str, Any]:
    """Return the document of the provider at this URL, which is its issuer, exactly."""
    ways = ["client_secret_basic", "client_secret_post", "none"]
    return {
        "issuer": url,
        "authorization_endpoint": url + AUTHORIZE_PATH,
        "token_endpoint": f"{url}/oauth/token",
        "userinfo_endpoint": f"{url}/oauth/userinfo",
        "revocation_endpoint": f"{url}/oauth/revoke",
        "end_session_endpoint": f"{url}/oauth/sign-out",
        "jwks_uri": f"{url}/.well-known/jwks.json",
        "scopes_supported": list(STANDARD_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ID],
        "token_endpoint_auth_methods_supported": ways,
        "revocation_endpoint_auth_methods_supported": ways,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": list(PROMPTS),
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "email", "email_verified"),
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
    }
