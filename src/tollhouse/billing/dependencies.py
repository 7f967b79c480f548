"""What a route asks for with `Depends`: a caller whose plan includes a feature."""

from __future__ import annotations

from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from tollhouse.access.callers import Caller
from tollhouse.access.dependencies import NO_SCOPES, SCHEME, SCHEME_NAME, Authenticate, require_scopes
from tollhouse.billing.entitlements import features_of
from tollhouse.billing.errors import NotEntitled
from tollhouse.billing.till import till_of
from tollhouse.identity import foreign_users


class EntitledDependency(SecurityBase):
    """`Depends(toll.entitled("exports"))`: the caller, or an error that answers 401, or 403 without the feature."""

    def __init__(self, authenticate: Authenticate, *, feature: str) -> None:
        """Authenticate so, and want this feature."""
        self.model = SCHEME
        self.scheme_name = SCHEME_NAME
        self._authenticate = authenticate
        self._feature = feature

    async def __call__(self, request: Request, security_scopes: SecurityScopes = NO_SCOPES) -> Caller:
        """Return who calls; raise `BearerError`, `ScopeMissing` or `NotEntitled`."""
        caller = await self._authenticate(request)
        require_scopes(security_scopes.scopes, caller.scopes)
        till = till_of(request)
        user_id = await foreign_users.find(till.run, caller.user_id)
        if user_id is None or self._feature not in await features_of(till, user_id):
            raise NotEntitled(feature=self._feature)
        return caller
