"""What a route asks for with `Depends`: a caller, known to FastAPI as a bearer scheme, so that its docs can log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from tollhouse.access.api_keys import ApiKey
from tollhouse.access.callers import Caller
from tollhouse.access.errors import ScopeMissing

Authenticate = Callable[[Request], Awaitable[Caller]]
SCHEME_NAME: Final = "bearer"
SCHEME: Final = BearerModel(
    bearerFormat="JWT", description="An access token: `POST /auth/token` gives one to whoever is signed in."
)


class Bearer(SecurityBase):
    """The bearer scheme by itself, for the OpenAPI document of our own routes, which authenticate by themselves."""

    def __init__(self) -> None:
        """Name it as the other ones, so that the document has one scheme."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME

    async def __call__(self) -> None:
        """Do nothing: a `PlainRoute` calls no dependencies."""


BEARER: Final = Bearer()


class ApiKeyDependency(SecurityBase):
    """`Depends(toll.api_key("credits:spend"))`: a server of yours, or an error that answers 401 or 403."""

    def __init__(self, authenticate: Callable[[Request], Awaitable[ApiKey]], *, scope: str) -> None:
        """Authenticate so, and want this scope."""
        self.model = BearerModel(bearerFormat="th_sk_…", description="An API key: `tollhouse api-keys create`.")
        self.scheme_name = "api_key"
        self._authenticate = authenticate
        self._scope = scope

    async def __call__(self, request: Request) -> ApiKey:
        """Return which key calls; raise `BearerError` or `ScopeMissing`."""
        key = await self._authenticate(request)
        if self._scope not in key.scopes:
            raise ScopeMissing(self._scope)
        return key


class CallerDependency(SecurityBase):
    """`Depends(toll.caller)`: the caller, or an error that answers 401; with a scope, 403 for whoever lacks it."""

    def __init__(self, authenticate: Authenticate, *, scope: str | None = None) -> None:
        """Authenticate so, and want this scope."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME
        self._authenticate = authenticate
        self._scope = scope

    async def __call__(self, request: Request) -> Caller:
        """Return who calls; raise `BearerError` or `ScopeMissing`."""
        caller = await self._authenticate(request)
        if self._scope is not None and self._scope not in caller.scopes:
            raise ScopeMissing(self._scope)
        return caller
