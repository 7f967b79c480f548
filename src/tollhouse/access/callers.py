"""Who calls: a person, known by a session of ours, our own token, or another issuer's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """A person who calls, proved by a session or a token."""

    user_id: str  # `usr_…` for ours, `{issuer}#{sub}` for another issuer's: the two never meet
    email: str | None  # what the issuer says, unless it says that it is not verified; never a key to an account
    issuer: str  # who vouches: exactly the `iss` claim; our own URL for a session
    session_id: str | None  # the `sid` claim
    scopes: frozenset[str]
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)  # all that the token says


def foreign_user_id(issuer: str, subject: str) -> str:
    """Return what another issuer's user is known by; an issuer holds no `#`, so this reads one way only."""
    return f"{issuer}#{subject}"
