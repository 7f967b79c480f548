"""What a route asks for with `Depends`: a caller, known to FastAPI as a bearer scheme, so that its docs can log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from tollhouse.access.api_keys import ApiKey
from tollhouse.access.callers import Caller
from tollhouse.access.errors import ScopeMissing

Authenticate = Callable[[Request], Awaitable[Caller]]
SCHEME_NAME: Final = "bearer"
NO_SCOPES: Final = SecurityScopes()  # of a call by hand; FastAPI brings those of `Security(…)`
SCHEME: Final = BearerModel(
    bearerFormat="JWT", description="An access token: `POST /auth/token` gives one to whoever is signed in."
)
API_KEY_SCHEME_NAME: Final = "api_key"
API_KEY_MODEL: Final = BearerModel(bearerFormat="th_sk_…", description="An API key: `tollhouse api-keys create`.")


class Bearer(SecurityBase):
    """The bearer scheme by itself, for the OpenAPI document of our own routes, which authenticate by themselves."""

    def __init__(self) -> None:
        """Name it as the other ones, so that the document has one scheme."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME

    async def __call__(self) -> None:
        """Do nothing: a `PlainRoute` calls no dependencies."""


BEARER: Final = Bearer()


class ApiKeyScheme(SecurityBase):
    """The scheme of API keys by itself, for the OpenAPI document of our own routes."""

    def __init__(self) -> None:
        """Name it as `ApiKeyDependency` does."""
        self.model = API_KEY_MODEL
        self.scheme_name = API_KEY_SCHEME_NAME

    async def __call__(self) -> None:
        """Do nothing: a `PlainRoute` calls no dependencies."""


API_KEY: Final = ApiKeyScheme()


class ApiKeyDependency(SecurityBase):
    """`Depends(toll.api_key("credits:spend"))`: a server of yours, or an error that answers 401 or 403."""

    def __init__(self, authenticate: Callable[[Request], Awaitable[ApiKey]], *, scope: str) -> None:
        """Authenticate so, and want this scope."""
        self.model = API_KEY_MODEL
        self.scheme_name = API_KEY_SCHEME_NAME
        self._authenticate = authenticate
        self._scope = scope

    async def __call__(self, request: Request, security_scopes: SecurityScopes = NO_SCOPES) -> ApiKey:
        """Return which key calls; raise `BearerError` or `ScopeMissing`."""
        key = await self._authenticate(request)
        require_scopes((self._scope, *security_scopes.scopes), key.scopes)
        return key


class CallerDependency(SecurityBase):
    """`Depends(toll.caller)`: the caller, or an error that answers 401; with a scope, 403 for whoever lacks it.

    Scopes of `Security(toll.caller, scopes=[…])`, FastAPI's own way to ask for them, are wanted as well.
    """

    def __init__(self, authenticate: Authenticate, *, scopes: Sequence[str] = ()) -> None:
        """Authenticate so, and want these scopes."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME
        self._authenticate = authenticate
        self._scopes = scopes

    async def __call__(self, request: Request, security_scopes: SecurityScopes = NO_SCOPES) -> Caller:
        """Return who calls; raise `BearerError` or `ScopeMissing`."""
        caller = await self._authenticate(request)
        require_scopes((*self._scopes, *security_scopes.scopes), caller.scopes)
        return caller


def require_scopes(wanted: Sequence[str], given: Collection[str]) -> None:
    """Return if all are given; raise `ScopeMissing` for the first that is not."""
    for scope in wanted:
        if scope not in given:
            raise ScopeMissing(scope)
