"""Parameters of OAuth's endpoints: each once, an empty one as good as none (RFC 6749, 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from tollhouse.access.oidc.errors import OAuthError
from tollhouse.pages.bodies import media_type

COUNT_MAX: Final = 40
OWN_COUNT_MAX: Final = 2  # what our own forms add to a request that they send once more
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a request says; of what it says twice the first, and that it does."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """Return a value, or None."""
        return self.values.get(name)

    def once(self, name: str) -> str | None:
        """Return a value that nobody could read two ways, or None."""
        return None if name in self.repeated else self.values.get(name)

    def refuse_repeated(self) -> None:
        """Raise `OAuthError` when any is given twice."""
        if self.repeated:
            raise OAuthError("A parameter is given twice.")


def parse(text: bytes, *, count_max: int = COUNT_MAX) -> Parameters:
    """Return the parameters of a query or a form; raise `OAuthError` for bytes that say none."""
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, max_num_fields=count_max, errors="strict")
    except ValueError as error:
        raise OAuthError("The parameters cannot be read.") from error
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in pairs:
        if name in values:
            repeated.add(name)
        values.setdefault(name, value)
    return Parameters({name: value for name, value in values.items() if value}, frozenset(repeated))


def of_query(request: Request) -> Parameters:
    """Return the query's parameters."""
    return parse(request.scope["query_string"])


async def of_form(request: Request) -> Parameters:
    """Return the body's parameters; raise `OAuthError` for a body of another kind."""
    body = await request.body()
    if body and media_type(request) != FORM:
        raise OAuthError(f"Send {FORM}.")
    return parse(body, count_max=COUNT_MAX + OWN_COUNT_MAX)


async def of_request(request: Request) -> Parameters:
    """Return the parameters from where the method puts them."""
    return await of_form(request) if request.method == "POST" else of_query(request)
