"""Verified tokens, remembered by their hash: a token that comes again costs a look-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tollhouse.access.callers import Caller
from tollhouse.access.jws import TOKEN_LENGTH_MAX

ENTRIES_MAX: Final = 10_000


@dataclass(slots=True)
class Entry:
    """A verified token's caller; times in microseconds UTC."""

    caller: Caller
    issuer_name: str
    ends_us: int
    fresh_until_us: int  # until then it is good without asking anybody
    still_good: Callable[[Caller], Awaitable[bool]] | None  # whom to ask then; nobody: it is verified again


class Memory:
    """The tokens verified last. Only those enter it, so nobody can fill it with what he made up."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        """Remember none yet."""
        self._entries: dict[bytes, Entry] = {}
        self._entries_max = entries_max
        self.generation = 0  # how often all were forgotten

    @staticmethod
    def key_of(token: str) -> bytes:
        """Return what a token is remembered by; the token itself is kept nowhere."""
        return sha256(token[: TOKEN_LENGTH_MAX + 1].encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes) -> Entry | None:
        """Return the entry, however old."""
        return self._entries.get(key)

    def keep(self, key: bytes, entry: Entry, *, generation: int) -> None:
        """Remember a token, for the oldest one where there are too many.

        One whose verification began before all were forgotten may rest on what is gone, and is not remembered.
        """
        if generation != self.generation:
            return
        if len(self._entries) >= self._entries_max and key not in self._entries:
            self.forget(next(iter(self._entries)))
        self._entries[key] = entry

    def forget(self, key: bytes) -> None:
        """Forget a token."""
        self._entries.pop(key, None)

    def forget_all(self) -> None:
        """Forget every token."""
        self._entries.clear()
        self.generation += 1

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._entries)
