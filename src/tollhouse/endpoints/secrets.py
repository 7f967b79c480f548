"""The secrets that events are signed with: made, checked, rolled, and sealed for the database."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from tollhouse.signing.keyring import Keyring

PREFIX: Final = "whsec_"
BYTES: Final = 32
BYTES_MIN, BYTES_MAX = 24, 64  # Standard Webhooks, "Signature scheme"
LIVING_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret; `expires_at` in microseconds UTC, or None for the newest."""

    text: str
    expires_at: int | None = None

    def signs_at(self, now_us: int) -> bool:
        """Whether it still signs."""
        return self.expires_at is None or self.expires_at > now_us


def create_secret() -> str:
    """Return a new secret: `whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode("ascii")


def problem_of(text: str) -> str | None:
    """Say why a text is no secret, or None if it is one."""
    if not text.startswith(PREFIX):
        return f"a secret begins with {PREFIX}"
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return f"what follows {PREFIX} is base64"
    if not BYTES_MIN <= len(key) <= BYTES_MAX:
        return f"a secret has {BYTES_MIN} to {BYTES_MAX} bytes behind {PREFIX}, in base64"
    if len(set(key)) < BYTES_MIN // 3:
        return "this secret looks guessable"
    return None


def seal_secrets(keys: Keyring, name: str, living: Sequence[Secret]) -> bytes:
    """Return the secrets of an endpoint as they lie in the database."""
    return keys.seal_endpoint_secrets(json.dumps([asdict(each) for each in living]).encode(), name=name)


def open_secrets(keys: Keyring, name: str, sealed: bytes, *, now_us: int) -> list[Secret]:
    """Return the secrets that sign now, the newest first."""
    found = [Secret(**each) for each in json.loads(keys.open_endpoint_secrets(sealed, name=name))]
    return [each for each in found if each.signs_at(now_us)]


def roll(living: Sequence[Secret], new: str, *, until_us: int) -> list[Secret]:
    """Return the secrets after a roll: the new one, and those before for as long as apps may still check by them.

    One that was to end before does: rolling again must not prolong what somebody may have stolen.
    """
    kept = (replace(each, expires_at=min(each.expires_at or until_us, until_us)) for each in living)
    return [Secret(new), *itertools.islice(kept, LIVING_MAX - 1)]
