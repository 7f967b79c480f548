"""What can be wrong with a caller, and how `WWW-Authenticate` says it (RFC 6750, 3)."""

from __future__ import annotations

from typing import Any, ClassVar

from tollhouse.errors import Forbidden, NotSignedIn, RequestError, TollhouseError


class BearerError(RequestError):
    """The caller is not let in."""

    code = "caller_refused"
    status = 401
    bearer_error: ClassVar[str | None] = "invalid_token"

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`; without an error code where no token was sent (RFC 6750, 3.1)."""
        return "Bearer" if self.bearer_error is None else f'Bearer error="{self.bearer_error}"'


class NotAuthenticated(BearerError):
    """Send an access token: `Authorization: Bearer …`."""

    code = "not_authenticated"
    bearer_error = None


class NobodyCalls(NotSignedIn):
    """Nobody is signed in here, and no token was sent."""

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`: of the two ways in, a program takes this one."""
        return "Bearer"


class TokenInvalid(BearerError):
    """The token is not one that is accepted here."""

    code = "token_invalid"

    def __init__(self, detail: str | None = None, *, reason: str = "unspecified", **evidence: Any) -> None:
        """Keep the reason for the log: told outside, it would help whoever is forging one."""
        super().__init__(detail, **evidence)
        self.reason = reason


class TokenExpired(TokenInvalid):
    """The token has expired."""

    code = "token_expired"


class TokenRevoked(TokenInvalid):
    """The session of this token has ended."""

    code = "token_revoked"


class ApiKeyInvalid(BearerError):
    """The API key is not one that is accepted here."""

    code = "api_key_invalid"


class ScopeMissing(Forbidden):
    """The caller lacks the scope that this takes."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        """Name the scope."""
        super().__init__(f"This takes the scope `{scope}`.", scope=scope)

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`."""
        return f'Bearer error="insufficient_scope", scope="{self.evidence["scope"]}"'


class IssuerUnavailable(TollhouseError):
    """The keys of the token's issuer cannot be had just now."""

    code = "issuer_unavailable"
    status = 503

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 10, **evidence: Any) -> None:
        """Say when to come back."""
        super().__init__(detail, retry_after_seconds=retry_after_seconds, **evidence)
